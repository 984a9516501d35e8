"""Sigma grids as pure functions: each returns decreasing float64 levels that end at 0."""

import math

import torch
from torch import Tensor

from .shapes import Sigmas
from .types import SigmaRange


def scaled_linear_sigmas(*, beta_start: float = 0.00085, beta_end: float = 0.012, count: int = 1000) -> Sigmas:
    """The levels `sqrt((1 - abar) / abar)` that a Stable Diffusion UNet was trained on, increasing (arXiv:2112.10752)."""
    betas = torch.linspace(math.sqrt(beta_start), math.sqrt(beta_end), count, dtype=torch.float64) ** 2
    return abar_to_sigmas((1 - betas).cumprod(0))


def abar_to_sigmas(abar: Sigmas) -> Sigmas:
    """`sigma = sqrt((1 - abar) / abar)` of the cumulative alphas of a variance-preserving schedule."""
    return ((1 - abar) / abar).sqrt()


def leading(table: Sigmas, steps: int, *, offset: int = 1) -> Sigmas:
    """Every `count // steps`-th level of an increasing `table`, the spacing of DDIM (arXiv:2010.02502, app. D.2), then 0."""
    check_steps(steps, len(table))
    indices = torch.arange(steps) * (len(table) // steps) + offset
    return _ending_at_zero(table[indices.clamp(max=len(table) - 1)].flip(0))


def trailing(table: Sigmas, steps: int) -> Sigmas:
    """Levels counted back from the noisiest one, then 0 (arXiv:2305.08891, table 2)."""
    check_steps(steps, len(table))
    indices = (torch.arange(steps, 0, -1, dtype=torch.float64) * len(table) / steps).round().long() - 1
    return _ending_at_zero(table[indices])


def karras(table: Sigmas, steps: int, *, rho: float = 7.0) -> Sigmas:
    """Levels evenly spaced in `sigma ** (1 / rho)`, then 0 (arXiv:2206.00364, eq. 5)."""
    check_steps(steps, len(table))
    ramp = torch.linspace(float(table[-1]) ** (1 / rho), float(table[0]) ** (1 / rho), steps, dtype=torch.float64)
    return _ending_at_zero(ramp**rho)


def flow_shift(steps: int, *, shift: float = 1.0) -> Sigmas:
    """Rectified flow's levels `shift s / (1 + (shift - 1) s)` for s evenly from 1 to 0, which is their last (arXiv:2403.03206, eq. 23).

    The first is 1 exactly, pure noise. Raises ValueError unless `steps` is at least 1 and `shift` is positive.
    """
    _check_flow(steps, shift)
    return _shifted(torch.linspace(1, 0, steps + 1, dtype=torch.float64), shift)


def flow_match_euler(steps: int, *, shift: float = 1.0) -> Sigmas:
    """The levels that diffusers' FlowMatchEulerDiscreteScheduler and ComfyUI's "normal" give Stable Diffusion 3, then 0.

    They are even from 1 to the least level, which is the shifted 0.001, and then shifted once more. Raises as `flow_shift`.
    """
    _check_flow(steps, shift)
    least = float(_shifted(torch.tensor(1e-3, dtype=torch.float64), shift))
    return _ending_at_zero(_shifted(torch.linspace(1, least, steps, dtype=torch.float64), shift))


def resolution_mu(
    tokens: int, *, base: float = 0.5, most: float = 1.15, base_tokens: int = 256, most_tokens: int = 4096
) -> float:
    """Flux's mu for a picture of so many image tokens, linear from `base` to `most`.

    Flux's own grid, `exp(mu) / (exp(mu) + (1 / s - 1))`, is `flow_shift` at shift exp(mu) (`time_shift` and
    `get_lin_function` of github.com/black-forest-labs/flux, sampling.py, whose constants these are).
    """
    return base + (most - base) * (tokens - base_tokens) / (most_tokens - base_tokens)


def window(sigmas: Sigmas, start: float, end: float) -> SigmaRange:
    """The levels at which the steps from fraction `start` of a decreasing grid up to fraction `end` are evaluated.

    Raises ValueError unless 0 <= start, end <= 1. An empty span gives an empty range.
    """
    if not (0 <= start <= 1 and 0 <= end <= 1):
        raise ValueError(f"A window is given by two fractions between 0 and 1; got {start} and {end}.")
    steps = len(sigmas) - 1
    first, last = round(start * steps), round(end * steps) - 1
    if last < first:
        return SigmaRange(high=-1.0, low=0.0)
    return SigmaRange(high=float(sigmas[first]), low=float(sigmas[last]))


def check_steps(steps: int, levels: int) -> None:
    """Raises ValueError unless 1 <= steps <= levels."""
    if not 1 <= steps <= levels:
        raise ValueError(f"The number of steps must be between 1 and {levels}, the levels of the model; got {steps}.")


def _check_flow(steps: int, shift: float) -> None:
    if steps < 1 or not (0 < shift < math.inf):
        raise ValueError(f"A flow grid needs 1 or more steps and a positive shift; got {steps} and {shift}.")


def _shifted(even: Tensor, shift: float) -> Tensor:
    return shift / (shift + (1 / even - 1))


def _ending_at_zero(levels: Sigmas) -> Sigmas:
    return torch.cat([levels, levels.new_zeros(1)])
