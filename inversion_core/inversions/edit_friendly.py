"""Edit-friendly DDPM inversion: noise maps with which ancestral sampling leads back to the picture."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator

from ..loops.integrate import stepped, working
from ..progress import OnStep, Progress
from ..shapes import Latent, Sigmas
from ..solvers import SOLVERS
from ..trajectory import Trajectory
from ..types import Cond, Denoiser
from .inversion import Inversion

GUIDANCE = 3.5
"""Guidance of the inversion (arXiv:2304.06140, published code)."""


@dataclass(frozen=True)
class EditFriendly:
    """An `Inverter` through independent noisings, along the steps of `solver`.

    They are DDPM's, or those of SDE-DPM-Solver++(2M) for LEDITS++ (arXiv:2311.16711).
    """

    solver: str = "ddpm"

    def __call__(
        self, denoiser: Denoiser, x0: Latent, sigmas: Sigmas, cond: Cond, generator: Generator, on_step: OnStep | None
    ) -> Trajectory:
        """The trajectory of `x0` through independent noisings (arXiv:2304.06140, alg. 1).

        At each level `x' = alpha' x0 + sigma' n` with its own n, drawn on the CPU; the noise map is `x' - mean(x)`, and x'
        is made anew as `mean(x) + map`, so that sampling with the same cond and the maps retraces it. The maps correlate
        negatively and are larger than an ancestral step's noise: they carry the picture. The last one is kept where the
        published code zeroes it: with it the picture comes back to rounding.
        """
        x0 = working(x0, denoiser)

        def noising(level: int) -> Latent:
            return denoiser.path.add_noise(x0, torch.randn(x0.shape, generator=generator).to(x0), sigmas[level])

        return mapped(noising, denoiser, x0, sigmas, cond, solver=self.solver, on_step=on_step)


def mapped(
    noising: Callable[[int], Latent],
    denoiser: Denoiser,
    x0: Latent,
    sigmas: Sigmas,
    cond: Cond,
    *,
    solver: str = "ddpm",
    on_step: OnStep | None = None,
) -> Trajectory:
    """The trajectory through `noising(level)` at each level and `x0` at the last, and the noise maps that lead along it.

    A solver that looks back finds the clean prediction of the step before as a level's partner.
    """
    looks_back, x, maps, state = SOLVERS[solver].opening is not None, noising(0), [], None
    xs, cleans = [x.cpu()], [x.cpu()]
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        mean, clean, state = stepped(SOLVERS[solver].step, denoiser, x, sigma, sigma_next, cond, state)
        noise = (noising(index + 1) if index + 2 < len(sigmas) else x0) - mean
        x = mean + noise
        xs.append(x.cpu())
        cleans.append(clean.cpu())
        maps.append(noise.cpu())
        if on_step is not None:
            on_step(Progress("invert", index, len(sigmas) - 1, float(sigma_next), x, clean))
    partners = tuple(cleans) if looks_back else None
    return Trajectory(denoiser.path, sigmas, (*xs[:-1], x0.cpu()), solver, partners, tuple(maps))


EDIT_FRIENDLY = Inversion(
    "edit-friendly DDPM",
    EditFriendly(),
    "for ordinary models, two evaluations per step under guidance",
    draws_noise=True,
)
LEDITS = Inversion(
    "LEDITS++",
    EditFriendly("sde_dpmpp_2m"),
    "edit-friendly noise maps with a second-order sampler, for the edit method LEDITS++; set guidance 1 and an empty source prompt",
    draws_noise=True,
)
