"""Solvers of the ODE, each usable in both directions, and the inverse of any one-step solver."""

from collections.abc import Callable

from ..trajectory import Trajectory
from ..types import State, Step
from .ddim_inverse import ddim_inverse
from .ddpm import ddpm
from .euler import euler
from .heun import heun
from .midpoint import midpoint
from .undo import Undone, undo

SOLVERS: dict[str, Step] = {"euler": euler, "heun": heun, "midpoint": midpoint, "ddpm": ddpm}
"""The steps that a trajectory can be replayed with, by name."""

OPENINGS: dict[str, Callable[[Trajectory, int], State]] = {}
"""For solvers that look back: the state with which a replay goes on from a level of a trajectory."""

__all__ = ["OPENINGS", "SOLVERS", "Undone", "ddim_inverse", "ddpm", "euler", "heun", "midpoint", "undo"]
