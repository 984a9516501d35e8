"""Every way from a picture's latent to a trajectory, by the name that the field knows it by."""

from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch

from ..shapes import Latent, Sigmas
from ..solvers import ddim_inverse, euler, heun, midpoint, undo
from ..trajectory import Provenance, Trajectory, check_decreasing
from ..types import Cond, Denoiser, OnStep
from .ddpm import edit_friendly
from .ode import Ode, from_zero


@runtime_checkable
class Inversion(Protocol):
    """A way to the trajectory of the clean latent `x0` over a decreasing grid; `generator` serves those that draw noise."""

    def __call__(
        self,
        denoiser: Denoiser,
        x0: Latent,
        sigmas: Sigmas,
        cond: Cond,
        *,
        generator: torch.Generator | None = None,
        on_step: OnStep | None = None,
    ) -> Trajectory: ...


INVERSIONS: dict[str, Inversion] = {
    "ddim": Ode(ddim_inverse, "euler"),
    "ddim current sigma": Ode(from_zero(euler), "euler"),
    "fixed point": Ode(undo(euler), "euler"),
    "heun": Ode(from_zero(heun), "heun"),
    "midpoint": Ode(from_zero(midpoint), "midpoint"),
    "edit-friendly DDPM": edit_friendly,
}
"""`ddim` is the rule of the published inversions, which tells the network the next level; `fixed point` undoes DDIM exactly."""


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
    trajectory = inversion(denoiser, x0, sigmas, cond, generator=generator, on_step=on_step)
    return replace(trajectory, provenance=replace(provenance or Provenance(), guidance=cond.guidance))
