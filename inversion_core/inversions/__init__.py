"""Every way from a picture's latent to a trajectory, in the order in which nodes show them."""

from .by_solver import (
    AIDI,
    BDIA,
    DDIM,
    DDIM_CURRENT_SIGMA,
    DPMPP_2M,
    FIREFLOW,
    FIXED_POINT,
    HEUN,
    MIDPOINT,
    O_BELM,
    RENOISE,
    UNI_INV,
)
from .edict import EDICT
from .edit_friendly import EDIT_FRIENDLY, LEDITS
from .inversion import Inversion, Inverter, invert
from .rf_inversion import RF_INVERSION
from .turbo_edit import TURBO_EDIT

_LISTED: dict[str, tuple[Inversion, ...]] = {
    "ode": (DDIM, DDIM_CURRENT_SIGMA, UNI_INV, FIXED_POINT, HEUN, MIDPOINT, FIREFLOW, DPMPP_2M),
    "fixed point": (AIDI, RENOISE, FIXED_POINT),
    "exact": (EDICT, BDIA, O_BELM),
    "stochastic": (EDIT_FRIENDLY, TURBO_EDIT, LEDITS),
    "flow control": (RF_INVERSION, UNI_INV),
}

GROUPS = {group: {inversion.name: inversion for inversion in listed} for group, listed in _LISTED.items()}
"""The inversions by group and name; one may be in two groups."""
INVERSIONS: dict[str, Inversion] = {name: inversion for group in GROUPS.values() for name, inversion in group.items()}
"""All inversions by name."""

__all__ = ["GROUPS", "INVERSIONS", "Inversion", "Inverter", "invert"]
