"""The two ways from a clean latent to noise, and the one derivative that they share."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .shapes import Latent, Sigma


@dataclass(frozen=True)
class NoisePath:
    """`x = alpha(sigma) * x0 + sigma * noise`; `slope` is alpha's derivative, `input_scale` what the network's input is divided by.

    `least` is the level at which a network is asked for its derivative at sigma 0; 0 on paths that have none there.
    """

    name: str
    alpha: Callable[[Sigma], Sigma]
    slope: Callable[[Sigma], Sigma]
    input_scale: Callable[[Sigma], Sigma]
    least: float = 0.0

    def add_noise(self, x0: Latent, noise: Latent, sigma: Sigma) -> Latent:
        """The noisy latent of `x0` at `sigma`."""
        return self.alpha(sigma) * x0 + sigma * noise

    def noise(self, x: Latent, x0: Latent, sigma: Sigma) -> Latent:
        """The noise that lies in `x` if `x0` is its clean latent; `sigma` must be above 0."""
        return (x - self.alpha(sigma) * x0) / sigma

    def velocity_to(self, x: Latent, noise: Latent, sigma: Sigma) -> Latent:
        """`dx/dsigma` of the path that joins `x` at `sigma` to `noise`: `slope * x0 + noise`. `alpha` must be above 0."""
        return self.slope(sigma) * (x - sigma * noise) / self.alpha(sigma) + noise

    def ancestral(self, sigma: Sigma, sigma_next: Sigma) -> tuple[Sigma, Sigma]:
        """How much of the noise in `x` a step of DDPM keeps, and how much fresh noise it adds (arXiv:2006.11239, eq. 6-7).

        With r = sigma / alpha, kept = sigma_next r_next / r and added = sigma_next sqrt(1 - (r_next / r)^2): the
        marginals stay those of the path, on rectified flow too.
        """
        ratio = sigma_next * self.alpha(sigma) / (self.alpha(sigma_next) * sigma)
        return sigma_next * ratio, sigma_next * (1 - ratio**2).clamp(min=0).sqrt()

    def same_input(self, x: Latent, sigma: Sigma, sigma_next: Sigma) -> Latent:
        """`x` rescaled so that a network asked at `sigma_next` sees the input it would have seen at `sigma`."""
        return x * (self.input_scale(sigma_next) / self.input_scale(sigma))


def velocity(x: Latent, x0: Latent, sigma: Sigma) -> Latent:
    """`dx/dsigma = (x - x0) / sigma`, on both paths.

    Raises ValueError at sigma 0, where the quotient is 0 / 0 (`Bound.slope` knows what there is).
    """
    if sigma == 0:
        raise ValueError("The ODE was evaluated at sigma 0, where (x - x0) / sigma is 0 / 0. Start the grid above 0.")
    return (x - x0) / sigma


VE = NoisePath("ve", torch.ones_like, torch.zeros_like, lambda sigma: (1 + sigma**2).sqrt())
"""Variance exploding: eps- and v-prediction UNets in sigma space (arXiv:2206.00364, table 1)."""

RF = NoisePath("rf", lambda sigma: 1 - sigma, lambda sigma: -torch.ones_like(sigma), torch.ones_like, least=2**-12)
"""Rectified flow: SD3, Flux, Qwen-Image, Wan (arXiv:2209.03003, eq. 1). The least level is a quarter of the
first of their 1000 time steps, where x - x0 is still many times the rounding of float32."""

PATHS = {path.name: path for path in (VE, RF)}
