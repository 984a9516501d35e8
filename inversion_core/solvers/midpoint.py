"""The explicit midpoint rule; RF-Solver is this rule written as a Taylor expansion."""

from ..shapes import Latent, Sigma
from ..types import Bound, State


def midpoint(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
    """The slope half-way: order 2, two evaluations (RF-Solver, arXiv:2411.04746, eq. 9). Raises as `euler`."""
    half = (sigma + sigma_next) / 2
    guess = x + (half - sigma) * denoise.slope(x, sigma)
    return x + (sigma_next - sigma) * denoise.slope(guess, half), state
