"""Edit-friendly DDPM inversion: noise maps with which ancestral sampling leads back to the picture."""

from collections.abc import Callable
from itertools import pairwise

import torch

from ..integrate import stepped, working
from ..progress import OnStep, Progress
from ..shapes import Latent, Sigmas
from ..solvers import ddpm
from ..trajectory import Trajectory
from ..types import Cond, Denoiser

GUIDANCE = 3.5
"""Guidance of the inversion (arXiv:2304.06140, published code); its edits use guidance 15 and skip 36 of 100 steps."""


def edit_friendly(
    denoiser: Denoiser,
    x0: Latent,
    sigmas: Sigmas,
    cond: Cond,
    *,
    generator: torch.Generator | None = None,
    on_step: OnStep | None = None,
) -> Trajectory:
    """The trajectory of `x0` through independent noisings, as an inversion (`inversions.Inversion`; arXiv:2304.06140, alg. 1).

    At each level `x' = alpha' x0 + sigma' n` with its own n, drawn on the CPU; the noise map is `x' - mean(x)`, and x' is
    made anew as `mean(x) + map`, so that sampling with the same cond and the maps retraces it. The maps correlate
    negatively and are larger than an ancestral step's noise: they carry the picture. The last one is kept where the
    published code zeroes it: with it the picture comes back to rounding.
    """
    x0 = working(x0, denoiser)

    def noising(level: int) -> Latent:
        return denoiser.path.add_noise(x0, torch.randn(x0.shape, generator=generator).to(x0), sigmas[level])

    return mapped(noising, denoiser, x0, sigmas, cond, on_step=on_step)


def mapped(
    noising: Callable[[int], Latent],
    denoiser: Denoiser,
    x0: Latent,
    sigmas: Sigmas,
    cond: Cond,
    *,
    on_step: OnStep | None = None,
) -> Trajectory:
    """The trajectory through `noising(level)` at each level and `x0` at the last, and the noise maps that lead along it."""
    x, maps = noising(0), []
    xs = [x.cpu()]
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        mean, clean, _ = stepped(ddpm, denoiser, x, sigma, sigma_next, cond, None)
        noise = (noising(index + 1) if index + 2 < len(sigmas) else x0) - mean
        x = mean + noise
        xs.append(x.cpu())
        maps.append(noise.cpu())
        if on_step is not None:
            on_step(Progress("invert", index, len(sigmas) - 1, float(sigma_next), x, clean))
    return Trajectory(denoiser.path, sigmas, (*xs[:-1], x0.cpu()), "ddpm", noise=tuple(maps))
