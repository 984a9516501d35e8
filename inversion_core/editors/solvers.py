"""Editing by a better inversion alone: the target is sampled with the solver that leads back down from it."""

from ..inversions import INVERSIONS
from ..solvers import SOLVERS
from .job import Editor, Settings, plain, planned

ABOUT = {
    "heun": "second order from the slopes at both ends; two evaluations per step",
    "midpoint": "second order from the slope half-way: RF-Solver, without its injection of values",
    "fireflow": "midpoint at one evaluation per step",
    "dpmpp_2m": "second order from the last prediction, at one evaluation per step",
    "Uni-Inv": "undoes Euler at one evaluation per step; sampled by Euler",
    "fixed-point": "undoes DDIM to rounding, up to 21 evaluations per step; sampled by DDIM",
    "AIDI": "undoes DDIM in up to 6 evaluations per step, accelerated; without AIDI's blended guidance",
    "ReNoise": "undoes DDIM in up to 11 evaluations per step, the last two averaged; without ReNoise's regularisers",
}

DISTILLED = {
    "midpoint": Settings(guidance=2.0, source_guidance=1.0, strength=1.0, steps=30),
    "fireflow": Settings(guidance=2.0, source_guidance=1.0, strength=1.0, steps=8),
}
"""What RF-Solver and FireFlow advise for Flux (github.com/wangjiangshan0725/RF-Solver-Edit, github.com/HolmesShuan/FireFlow)."""


def _sampled_back(name: str) -> Editor:
    inversion = name if name in INVERSIONS else name.replace("-", " ")
    settings = {"distilled": DISTILLED[name]} if name in DISTILLED else {}
    return planned(
        plain, inversion=inversion, solver=name if name in SOLVERS else "euler", about=ABOUT[name], settings=settings
    )


EDITORS: dict[str, Editor] = {name: _sampled_back(name) for name in ABOUT}
"""The source is inverted at guidance 1, and source and target are sampled under guidance, as published."""
