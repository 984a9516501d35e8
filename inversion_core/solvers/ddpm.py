"""The mean of DDPM's ancestral step; the noise of the step comes from a trajectory's noise maps."""

from ..paths import NoisePath
from ..shapes import Latent, Sigma
from ..types import Bound, State


def ddpm(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
    """`alpha' x0 + kept n` with the predicted x0 and noise n: one evaluation (DDPM, arXiv:2006.11239, eq. 7).

    `kept` is what an ancestral step keeps of the noise (`NoisePath.ancestral`). Without the fresh noise the step loses
    variance, so by itself it follows no solution of the ODE: order 0. Raises ValueError at sigma 0.
    """
    if sigma == 0:
        raise ValueError("DDPM's step was evaluated at sigma 0, where there is no noise left. End the grid there.")
    return mean(denoise.path, x, denoise(x, sigma), sigma, sigma_next), state


def mean(path: NoisePath, x: Latent, clean: Latent, sigma: Sigma, sigma_next: Sigma) -> Latent:
    """Where the step leads from `x` if its clean latent is `clean`."""
    kept, _ = path.ancestral(sigma, sigma_next)
    return path.alpha(sigma_next) * clean + kept * path.noise(x, clean, sigma)
