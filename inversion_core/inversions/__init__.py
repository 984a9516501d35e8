"""Every way from a picture's latent to a trajectory, by the name that the field knows it by."""

from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch

from ..loops.integrate import finest
from ..progress import OnStep
from ..shapes import Latent, Sigmas
from ..solvers import (
    SOLVERS,
    anderson,
    averaged,
    ddim_inverse,
    dpmpp_2m,
    euler,
    fireflow,
    heun,
    midpoint,
    undo,
    uni_inv,
)
from ..trajectory import Provenance, Trajectory, check_decreasing
from ..types import Cond, Denoiser
from .edict import edict_inversion
from .edit_friendly import EditFriendly
from .ode import Ode, from_slope, from_zero
from .rf_inversion import RfInversion
from .turbo_edit import turbo_edit


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


AIDI_ITERATIONS = 5
RENOISE_ITERATIONS = 9
"""Published settings: 5 accelerated iterations (arXiv:2309.04907), 9 whose last two are averaged (arXiv:2403.14602, SDXL Turbo)."""

INVERSIONS: dict[str, Inversion] = {
    "ddim": Ode(ddim_inverse, "euler"),
    "ddim current sigma": Ode(from_slope(euler), "euler"),
    "fixed point": Ode(undo(euler), "euler"),
    "AIDI": Ode(undo(euler, iterations=AIDI_ITERATIONS, update=anderson), "euler"),
    "ReNoise": Ode(undo(euler, iterations=RENOISE_ITERATIONS, ended=averaged), "euler"),
    "Uni-Inv": Ode(uni_inv, "euler"),
    "heun": Ode(from_zero(heun), "heun"),
    "midpoint": Ode(from_slope(midpoint), "midpoint"),
    "fireflow": Ode(from_slope(fireflow), "fireflow"),
    "dpmpp_2m": Ode(from_zero(dpmpp_2m), "dpmpp_2m"),
    "EDICT": edict_inversion,
    "BDIA": Ode(SOLVERS["bdia"], "bdia", finest),
    "O-BELM": Ode(SOLVERS["o-belm"], "o-belm", finest),
    "edit-friendly DDPM": EditFriendly(),
    "LEDITS++": EditFriendly("sde_dpmpp_2m"),
    "RF-Inversion": RfInversion(),
    "TurboEdit": turbo_edit,
}
"""`ddim` is the rule of the published inversions, which tells the network the next level. Those replayed by `euler` with
residuals undo DDIM exactly where they converge; EDICT, BDIA and O-BELM retrace exactly what their own solvers sample."""


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
