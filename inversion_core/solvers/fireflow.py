"""FireFlow: the midpoint rule with last step's slope in place of its first evaluation."""

from ..shapes import Latent, Sigma
from ..types import Bound, State


def fireflow(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
    """The slope half-way, reached with the slope half-way through the last step: order 2 (arXiv:2412.07517).

    One evaluation, and one more in the first step, which has no last slope. The state is the slope. Raises as
    `euler` in the first step.
    """
    slope = denoise.slope(x, sigma) if state is None else state
    half = (sigma + sigma_next) / 2
    guess = x + (half - sigma) * slope
    middle = denoise.slope(guess, half)
    return x + (sigma_next - sigma) * middle, middle
