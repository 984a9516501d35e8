"""One-step ODE solvers, each usable in both directions, and the inverse of any of them."""

from ..types import Step
from .ddim_inverse import ddim_inverse
from .euler import euler
from .heun import heun
from .midpoint import midpoint
from .undo import Undone, undo

SOLVERS: dict[str, Step] = {"euler": euler, "heun": heun, "midpoint": midpoint}
"""The steps that a trajectory can be replayed with, by name."""

__all__ = ["SOLVERS", "Undone", "ddim_inverse", "euler", "heun", "midpoint", "undo"]
