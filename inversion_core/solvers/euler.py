"""Euler's method; in sigma space it is DDIM at eta 0."""

from ..paths import velocity
from ..shapes import Latent, Sigma
from ..types import Bound, State


def euler(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
    """`x + (sigma_next - sigma) v(x, sigma)`: order 1, one evaluation (DDIM, arXiv:2010.02502, eq. 13).

    Raises ValueError at sigma 0.
    """
    return x + (sigma_next - sigma) * velocity(x, denoise(x, sigma), sigma), state
