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
DDIM = Inversion("ddim", Ode(ddim_inverse, "euler"), "the published rule, one evaluation per step")
DDIM_CURRENT_SIGMA = Inversion(
    "ddim current sigma",
    Ode(from_slope(euler), "euler"),
    "the ddim rule, run at the current noise level instead of the next; one evaluation per step",
)
UNI_INV = Inversion("Uni-Inv", Ode(uni_inv, "euler"), "retraces DDIM (Euler) closely, one evaluation per step")

# These undo DDIM exactly where they converge; the trajectory keeps what they left.
FIXED_POINT = Inversion(
    "fixed point", Ode(undo(euler), "euler"), "undoes DDIM exactly by plain iteration, up to 21 evaluations per step"
)
AIDI = Inversion(
    "AIDI",
    Ode(undo(euler, iterations=AIDI_ITERATIONS, update=anderson), "euler"),
    "Anderson-accelerated, up to 6 evaluations per step",
)
RENOISE = Inversion(
    "ReNoise",
    Ode(undo(euler, iterations=RENOISE_ITERATIONS, ended=averaged), "euler"),
    "averages the last two predictions, up to 11 evaluations per step; steadier in few steps",
)

HEUN = Inversion("heun", Ode(from_zero(heun), "heun"), "second order, two evaluations per step, replayed by heun")
MIDPOINT = Inversion(
    "midpoint",
    Ode(from_slope(midpoint), "midpoint"),
    "second order, two evaluations per step, replayed by midpoint (RF-Solver)",
)
FIREFLOW = Inversion("fireflow", Ode(from_slope(fireflow), "fireflow"), "midpoint at one evaluation per step")
DPMPP_2M = Inversion(
    "dpmpp_2m", Ode(from_zero(dpmpp_2m), "dpmpp_2m"), "DPM-Solver++ (2M), one evaluation per step, replayed by dpmpp_2m"
)

# These retrace exactly what their own solvers sample.
BDIA = Inversion("BDIA", Ode(SOLVERS["bdia"].step, "bdia", finest), "looks one step back, one evaluation per step")
O_BELM = Inversion(
    "O-BELM",
    Ode(SOLVERS["o-belm"].step, "o-belm", finest),
    "looks one step back, second order, one evaluation per step",
)

PLAIN = (DDIM, DDIM_CURRENT_SIGMA, UNI_INV, FIXED_POINT, HEUN, MIDPOINT, FIREFLOW, DPMPP_2M)
"""The group of all uses, in the order in which nodes show it."""
