"""O-BELM: the two-step scheme of least local error among those that can be inverted exactly."""

from ..paths import NoisePath
from ..shapes import Latent, Sigma
from .two_step import Neighbour, two_step


def _rule(path: NoisePath, x: Latent, slope: Latent, sigma: Sigma, sigma_next: Sigma, before: Neighbour) -> Latent:
    """`r^2 x_before + (1 - r^2) x + h (1 + r) v` with r the ratio of the step h to the last one (arXiv:2410.07273).

    The rule is its own inverse with the grid turned round.
    """
    length = sigma_next - sigma
    ratio = length / (sigma - before.sigma)
    return ratio**2 * before.x + (1 - ratio**2) * x + length * (1 + ratio) * slope


o_belm = two_step(_rule)
"""O-BELM's step, exact both ways: order 2, one evaluation."""
