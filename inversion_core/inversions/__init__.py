"""Every way from a picture's latent to a trajectory, in the order in which nodes show them."""

from . import by_solver as ode
from .edict import EDICT
from .edit_friendly import EDIT_FRIENDLY, LEDITS
from .inversion import Inversion, Inverter, invert
from .rf_inversion import RF_INVERSION
from .turbo_edit import TURBO_EDIT

_LISTED: dict[str, tuple[Inversion, ...]] = {
    "ode": ode.PLAIN,
    "fixed point": (ode.AIDI, ode.RENOISE, ode.FIXED_POINT),
    "exact": (EDICT, ode.BDIA, ode.O_BELM),
    "stochastic": (EDIT_FRIENDLY, TURBO_EDIT, LEDITS),
    "flow control": (RF_INVERSION, ode.UNI_INV),
}

GROUPS = {group: {inversion.name: inversion for inversion in listed} for group, listed in _LISTED.items()}
"""The inversions by group and name; one may be in two groups."""
INVERSIONS: dict[str, Inversion] = {name: inversion for group in GROUPS.values() for name, inversion in group.items()}
"""All inversions by name."""

__all__ = ["GROUPS", "INVERSIONS", "Inversion", "Inverter", "invert"]
