"""Solvers of the ODE, each usable in both directions, and the inverse of any one-step solver."""

from collections.abc import Callable

from ..trajectory import Trajectory
from ..types import State, Step
from .bdia import bdia
from .ddim_inverse import ddim_inverse
from .ddpm import ddpm
from .dpmpp_2m import dpmpp_2m
from .edict import Pair, edict, partner_at
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

SOLVERS: dict[str, Step] = {
    "euler": euler,
    "heun": heun,
    "midpoint": midpoint,
    "fireflow": fireflow,
    "dpmpp_2m": dpmpp_2m,
    "ddpm": ddpm,
    "sde_dpmpp_2m": sde_dpmpp_2m,
    "edict": edict(),
    "bdia": bdia(),
    "o-belm": o_belm,
}
"""The steps that a trajectory can be replayed with, by name."""

OPENINGS: dict[str, Callable[[Trajectory, int], State]] = {
    "edict": partner_at,
    "bdia": neighbour_at,
    "o-belm": neighbour_at,
    "sde_dpmpp_2m": clean_before,
}
"""For solvers that look back: the state with which a replay goes on from a level of a trajectory."""

__all__ = [
    "OPENINGS",
    "SOLVERS",
    "Pair",
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
