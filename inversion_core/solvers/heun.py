"""Heun's method, the trapezoidal predictor-corrector."""

from ..shapes import Latent, Sigma
from ..types import Bound, State
from .euler import euler


def heun(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
    """The mean of the slopes at both ends: order 2, two evaluations; Euler when the step ends at 0 (arXiv:2206.00364, alg. 1)."""
    if sigma_next == 0:
        return euler(denoise, x, sigma, sigma_next, state)
    slope = denoise.slope(x, sigma)
    guess = x + (sigma_next - sigma) * slope
    return x + (sigma_next - sigma) * (slope + denoise.slope(guess, sigma_next)) / 2, state
