"""Euler's method; in sigma space it is DDIM at eta 0."""

from ..shapes import Latent, Sigma
from ..types import Bound, State


def euler(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
    """`x + (sigma_next - sigma) v(x, sigma)`: order 1, one evaluation (DDIM, arXiv:2010.02502, eq. 13).

    Raises ValueError at sigma 0 where the path has no slope there.
    """
    return x + (sigma_next - sigma) * denoise.slope(x, sigma), state
