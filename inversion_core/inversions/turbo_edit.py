"""TurboEdit (arXiv:2408.00735): edit-friendly noise for models of three or four steps."""

import torch
from torch import Generator

from ..loops.integrate import working
from ..progress import OnStep
from ..shapes import Latent, Sigmas
from ..trajectory import Trajectory
from ..types import Cond, Denoiser
from .edit_friendly import mapped
from .inversion import Inversion


def turbo_edit(
    denoiser: Denoiser, x0: Latent, sigmas: Sigmas, cond: Cond, generator: Generator, on_step: OnStep | None
) -> Trajectory:
    """The trajectory of `x0` through independent noisings, each one level too clean (`Inverter`; arXiv:2408.00735).

    What stands at level i has the noise of level i + 1, scaled so that the network told level i sees it as its input;
    the noise map of a step is where that leads less DDPM's mean. Sampling with the maps as the source retraces it. As
    the source prompt's unconditional branch the target's guidance w is the paper's pseudo-guidance
    `x + mean_source(x^) - mean_source(x) + w (mean_target(x^) - mean_source(x^))`, the mean being linear in D; w 0
    changes nothing. The published bound on the last map is left out: where it acts, the picture does not come back.
    """
    x0, path = working(x0, denoiser), denoiser.path

    def noising(level: int) -> Latent:
        sigma, cleaner = sigmas[level], sigmas[level + 1]
        noise = torch.randn(x0.shape, generator=generator).to(x0)
        return path.same_input(path.add_noise(x0, noise, cleaner), cleaner, sigma)

    return mapped(noising, denoiser, x0, sigmas, cond, on_step=on_step)


TURBO_EDIT = Inversion(
    "TurboEdit", turbo_edit, "for models distilled to 3 or 4 steps; set as many steps, and guidance 1", draws_noise=True
)
