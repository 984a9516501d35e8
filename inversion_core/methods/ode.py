"""Inversion as an ODE: the picture's latent walked up the sigma grid."""

from dataclasses import dataclass, replace

import torch

from ..integrate import integrate
from ..shapes import Latent, Sigma, Sigmas
from ..solvers import Undone, ddim_inverse, euler, heun, midpoint, undo
from ..trajectory import Provenance, Trajectory, check_decreasing
from ..types import Bound, Cond, Denoiser, OnStep, State, Step


@dataclass(frozen=True)
class Inversion:
    """A way up to noise, and the name of the solver that leads back down."""

    up: Step
    down: str


def from_zero(step: Step) -> Step:
    """`step`, with the published DDIM inversion in its place where the walk leaves sigma 0 and `step` is undefined."""

    def started(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
        return (ddim_inverse if sigma == 0 else step)(denoise, x, sigma, sigma_next, state)

    return started


INVERSIONS = {
    "ddim": Inversion(ddim_inverse, "euler"),
    "ddim current sigma": Inversion(from_zero(euler), "euler"),
    "fixed point": Inversion(undo(euler), "euler"),
    "heun": Inversion(from_zero(heun), "heun"),
    "midpoint": Inversion(from_zero(midpoint), "midpoint"),
}
"""`ddim` is the rule of the published inversions, which tells the network the next level; `fixed point` undoes DDIM exactly."""


def invert(
    inversion: Inversion,
    denoiser: Denoiser,
    x0: Latent,
    sigmas: Sigmas,
    cond: Cond,
    *,
    provenance: Provenance | None = None,
    on_step: OnStep | None = None,
) -> Trajectory:
    """The trajectory of the clean latent `x0` over the decreasing grid `sigmas` (arXiv:2105.05233, app. F).

    Guidance 1 retraces best: an inversion under guidance drifts, and a fixed point may not exist. Raises ValueError if
    the grid does not decrease or `x0` is not finite.
    """
    check_decreasing(sigmas)
    if not bool(torch.isfinite(x0).all()):
        raise ValueError(f"The latent to invert has {int((~torch.isfinite(x0)).sum())} values that are not finite.")
    walk = integrate(inversion.up, denoiser, x0, sigmas.flip(0), cond, stage="invert", on_step=on_step)
    undone = [state for state in reversed(walk.states) if isinstance(state, Undone)]
    return Trajectory(
        path=denoiser.path,
        sigmas=sigmas,
        xs=walk.xs[::-1],
        solver=inversion.down,
        residuals=tuple(state.residual for state in undone) or None,
        provenance=replace(provenance or Provenance(), guidance=cond.guidance),
    )
