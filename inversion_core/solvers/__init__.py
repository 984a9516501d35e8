"""Solvers of the ODE, each usable in both directions, and the inverse of any one-step solver."""

from collections.abc import Callable
from dataclasses import dataclass

from ..trajectory import Trajectory
from ..types import State, Step
from .bdia import bdia
from .ddim_inverse import ddim_inverse
from .ddpm import ddpm
from .dpmpp_2m import dpmpp_2m
from .edict import Coupled, edict, partner_at
from .euler import euler
from .fireflow import fireflow
from .fixed_point import anderson, averaged, plain
from .heun import heun
from .midpoint import midpoint
from .o_belm import o_belm
from .sde_dpmpp_2m import clean_before, sde_dpmpp_2m
from .two_step import neighbour_at
from .undo import Undone, undo
from .uni_inv import uni_inv


@dataclass(frozen=True)
class Solver:
    """A step that a trajectory can be replayed with.

    For a step that looks back, `opening` gives the state with which a replay goes on from a level of a trajectory.
    """

    step: Step
    opening: Callable[[Trajectory, int], State] | None = None


SOLVERS: dict[str, Solver] = {
    "euler": Solver(euler),
    "heun": Solver(heun),
    "midpoint": Solver(midpoint),
    "fireflow": Solver(fireflow),
    "dpmpp_2m": Solver(dpmpp_2m),
    "ddpm": Solver(ddpm),
    "sde_dpmpp_2m": Solver(sde_dpmpp_2m, opening=clean_before),
    "edict": Solver(edict(), opening=partner_at),
    "bdia": Solver(bdia(), opening=neighbour_at),
    "o-belm": Solver(o_belm, opening=neighbour_at),
}
"""The solvers by the names that trajectories keep."""

__all__ = [
    "SOLVERS",
    "Coupled",
    "Solver",
    "Undone",
    "anderson",
    "averaged",
    "bdia",
    "ddim_inverse",
    "ddpm",
    "dpmpp_2m",
    "edict",
    "euler",
    "fireflow",
    "heun",
    "midpoint",
    "o_belm",
    "plain",
    "sde_dpmpp_2m",
    "undo",
    "uni_inv",
]
