"""Uni-Inv, the inversion of UniEdit-Flow: one warm-started fixed-point iteration a step."""

from ..shapes import Latent, Sigma
from ..types import Bound, State
from .ddim_inverse import ddim_inverse


def uni_inv(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
    """Euler with the slope at its own end, guessed with the last step's slope (UniEdit-Flow, arXiv:2504.13109).

    `v = v(x + h v_before, sigma_next); x + h v`: one evaluation, and one more in the first step, for the slope at its
    start; where the path has none there, at sigma 0, the published DDIM inversion guesses. It undoes an Euler step up to
    second order and is itself of order 1: use it towards noise, and Euler back. The state is the slope.
    """
    step = sigma_next - sigma
    if state is None and sigma == denoise.path.least == 0:
        guess, _ = ddim_inverse(denoise, x, sigma, sigma_next, None)
    else:
        guess = x + step * (denoise.slope(x, sigma) if state is None else state)
    slope = denoise.slope(guess, sigma_next)
    return x + step * slope, slope
