"""Editing by a better inversion alone: the target is sampled with the solver that leads back down from it.

The source is inverted at guidance 1, and source and target are sampled under guidance, as published.
"""

from ..solvers import SOLVERS
from .editor import Editor, edit_along
from .published import Settings


def _by_inversion(inversion: str, about: str, *, name: str = "", distilled: Settings | None = None) -> Editor:
    solvers = (inversion if inversion in SOLVERS else "euler",)
    settings = {"distilled": distilled} if distilled else {}
    return Editor(name or inversion, edit_along, about, inversion, solvers=solvers, settings=settings)


# Settings as advised for Flux: github.com/wangjiangshan0725/RF-Solver-Edit, github.com/HolmesShuan/FireFlow.
EDITORS = (
    _by_inversion("heun", "second order from the slopes at both ends; two evaluations per step"),
    _by_inversion(
        "midpoint",
        "second order from the slope half-way: RF-Solver, without its injection of values",
        distilled=Settings(2.0, 1.0, 1.0, 30),
    ),
    _by_inversion("fireflow", "midpoint at one evaluation per step", distilled=Settings(2.0, 1.0, 1.0, 8)),
    _by_inversion("dpmpp_2m", "second order from the last prediction, at one evaluation per step"),
    _by_inversion("Uni-Inv", "undoes Euler at one evaluation per step; sampled by Euler"),
    _by_inversion(
        "fixed point", "undoes DDIM to rounding, up to 21 evaluations per step; sampled by DDIM", name="fixed-point"
    ),
    _by_inversion("AIDI", "undoes DDIM in up to 6 evaluations per step, accelerated; without AIDI's blended guidance"),
    _by_inversion(
        "ReNoise", "undoes DDIM in up to 11 evaluations per step, the last two averaged; without ReNoise's regularisers"
    ),
)
