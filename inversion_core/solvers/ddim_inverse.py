"""The inversion rule of the published DDIM inversions."""

from ..paths import velocity
from ..shapes import Latent, Sigma
from ..types import Bound, State


def ddim_inverse(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
    """Euler towards noise, with the network told the *next* level: order 1, one evaluation, defined at sigma 0.

    `x' = c x; x + (sigma_next - sigma) v(x', sigma_next)`, where c keeps the network's input what it was at sigma
    (the rule behind arXiv:2211.09794, sec. 3.1, and every method that builds on it).
    """
    told = denoise.path.same_input(x, sigma, sigma_next)
    return x + (sigma_next - sigma) * velocity(told, denoise(told, sigma_next), sigma_next), state
