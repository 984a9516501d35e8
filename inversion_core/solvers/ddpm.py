"""The mean of DDPM's ancestral step; the noise of the step comes from a trajectory's noise maps."""

from ..shapes import Latent, Sigma
from ..types import Bound, State


def ddpm(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
    """`alpha' x0 + kept n` with the predicted x0 and noise n: one evaluation (DDPM, arXiv:2006.11239, eq. 7).

    `kept` is what an ancestral step keeps of the noise (`NoisePath.ancestral`). Without the fresh noise the step loses
    variance, so by itself it follows no solution of the ODE: order 0. Raises ValueError at sigma 0.
    """
    if sigma == 0:
        raise ValueError("DDPM's step was evaluated at sigma 0, where there is no noise left. End the grid there.")
    clean, (kept, _) = denoise(x, sigma), denoise.path.ancestral(sigma, sigma_next)
    return denoise.path.alpha(sigma_next) * clean + kept * denoise.path.noise(x, clean, sigma), state
