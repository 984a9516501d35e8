"""An inversion: the way from a picture's latent to a trajectory, with its name and what a person should know of it."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Generator

from ..progress import OnStep
from ..shapes import Latent, Sigmas
from ..trajectory import Provenance, Trajectory, check_decreasing
from ..types import Cond, Denoiser


@runtime_checkable
class Inverter(Protocol):
    """Makes the trajectory of the clean latent `x0` over a decreasing grid; `generator` serves those that draw noise."""

    def __call__(
        self, denoiser: Denoiser, x0: Latent, sigmas: Sigmas, cond: Cond, generator: Generator, on_step: OnStep | None
    ) -> Trajectory: ...


@dataclass(frozen=True)
class Inversion:
    """A way to a trajectory, by the name that the field knows it by; `about` says what it does and costs, `draws_noise` whether its generator matters."""

    name: str
    run: Inverter
    about: str
    draws_noise: bool = False


def invert(
    inversion: Inversion,
    denoiser: Denoiser,
    x0: Latent,
    sigmas: Sigmas,
    cond: Cond,
    *,
    generator: torch.Generator | None = None,
    provenance: Provenance | None = None,
    on_step: OnStep | None = None,
) -> Trajectory:
    """The trajectory of the clean latent `x0` over the decreasing grid `sigmas`.

    Guidance 1 retraces best: an inversion under guidance drifts, and a fixed point may not exist. Inversions that draw
    noise draw it from `generator`, on the CPU, with seed 0 if there is none. Raises ValueError if the grid does not
    decrease or `x0` is not finite.
    """
    check_decreasing(sigmas)
    if not bool(torch.isfinite(x0).all()):
        raise ValueError(f"The latent to invert has {int((~torch.isfinite(x0)).sum())} values that are not finite.")
    generator = generator or torch.Generator().manual_seed(0)
    trajectory = inversion.run(denoiser, x0, sigmas, cond, generator=generator, on_step=on_step)
    return replace(trajectory, provenance=replace(provenance or Provenance(), guidance=cond.guidance))
