"""DPM-Solver++(2M), the second-order multistep solver of the clean prediction."""

from dataclasses import dataclass

import torch

from ..paths import NoisePath, velocity
from ..shapes import Latent, Sigma
from ..types import Bound, State


@dataclass(frozen=True)
class Before:
    """The clean prediction of the step before, and the level at which it was made."""

    x0: Latent
    sigma: Sigma


def dpmpp_2m(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
    """Euler with the clean prediction extrapolated in lambda = log(alpha / sigma): order 2, one evaluation (arXiv:2211.01095, alg. 2).

    `D = D_i + (lambda_next - lambda_i) / (2 (lambda_i - lambda_before)) (D_i - D_before)`. Euler alone is its first
    step, and the limit at both ends of a grid: lambda is infinite at sigma 0 and where alpha is 0. Raises ValueError at
    sigma 0.
    """
    x0 = denoise(x, sigma)
    ahead = extrapolated(denoise.path, x0, sigma, sigma_next, state)
    return x + (sigma_next - sigma) * velocity(x, ahead, sigma), Before(x0, sigma)


def extrapolated(path: NoisePath, x0: Latent, sigma: Sigma, sigma_next: Sigma, before: Before | None) -> Latent:
    """The clean prediction as the step before foretells it for half of this step in lambda; as it is where lambda is infinite."""
    if before is None:
        return x0
    reach = _log_ratio(path, sigma_next) - _log_ratio(path, sigma)
    weight = reach / (2 * (_log_ratio(path, sigma) - _log_ratio(path, before.sigma)))
    return x0 + (x0 - before.x0.to(x0)) * weight if torch.isfinite(weight) else x0


def _log_ratio(path: NoisePath, sigma: Sigma) -> Sigma:
    return (path.alpha(sigma) / sigma).log()
