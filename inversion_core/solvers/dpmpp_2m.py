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
    ahead = x0
    if state is not None:
        reach = _log_ratio(denoise.path, sigma_next) - _log_ratio(denoise.path, sigma)
        weight = reach / (2 * (_log_ratio(denoise.path, sigma) - _log_ratio(denoise.path, state.sigma)))
        ahead = x0 + (x0 - state.x0) * weight if torch.isfinite(weight) else x0
    return x + (sigma_next - sigma) * velocity(x, ahead, sigma), Before(x0, sigma)


def _log_ratio(path: NoisePath, sigma: Sigma) -> Sigma:
    return (path.alpha(sigma) / sigma).log()
