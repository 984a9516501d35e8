"""Inversions that walk a step of a solver up the grid, one line each: the step up, and the solver that leads back down."""

from ..loops.integrate import finest
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
from .inversion import Inversion
from .ode import Ode, from_slope, from_zero

AIDI_ITERATIONS = 5
"""Accelerated iterations, as published (arXiv:2309.04907)."""
RENOISE_ITERATIONS = 9
"""Iterations, the last two averaged, as published for SDXL Turbo (arXiv:2403.14602)."""

# The rule of the published inversions, which tells the network the next level.
DDIM = Inversion("ddim", Ode(ddim_inverse, "euler"), "the published rule, one evaluation a step")
DDIM_CURRENT_SIGMA = Inversion(
    "ddim current sigma", Ode(from_slope(euler), "euler"), "as ddim, without telling the network the next level"
)
UNI_INV = Inversion(
    "Uni-Inv",
    Ode(uni_inv, "euler"),
    "retraces DDIM (Euler) closely, one evaluation a step; for Uni-Edit of Flow Control Edit",
)

# These undo DDIM exactly where they converge; the trajectory keeps what they left.
FIXED_POINT = Inversion(
    "fixed point", Ode(undo(euler), "euler"), "undoes DDIM exactly by plain iteration, up to 21 evaluations a step"
)
AIDI = Inversion(
    "AIDI",
    Ode(undo(euler, iterations=AIDI_ITERATIONS, update=anderson), "euler"),
    "Anderson-accelerated, up to 6 evaluations a step",
)
RENOISE = Inversion(
    "ReNoise",
    Ode(undo(euler, iterations=RENOISE_ITERATIONS, ended=averaged), "euler"),
    "averages the last two predictions, up to 11 evaluations a step; steadier in few steps",
)

HEUN = Inversion("heun", Ode(from_zero(heun), "heun"), "second order, two evaluations a step, replayed by the same")
MIDPOINT = Inversion(
    "midpoint",
    Ode(from_slope(midpoint), "midpoint"),
    "second order, two evaluations a step, replayed by the same; RF-Solver",
)
FIREFLOW = Inversion("fireflow", Ode(from_slope(fireflow), "fireflow"), "midpoint for one evaluation a step")
DPMPP_2M = Inversion(
    "dpmpp_2m", Ode(from_zero(dpmpp_2m), "dpmpp_2m"), "DPM-Solver++ (2M), one evaluation a step, replayed by the same"
)

# These retrace exactly what their own solvers sample.
BDIA = Inversion("BDIA", Ode(SOLVERS["bdia"].step, "bdia", finest), "looks one step back, one evaluation a step")
O_BELM = Inversion(
    "O-BELM", Ode(SOLVERS["o-belm"].step, "o-belm", finest), "looks one step back, second order, one evaluation a step"
)
