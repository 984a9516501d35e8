"""ProxNPI: negative-prompt inversion whose guidance is kept only where the prompts differ most."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..shapes import Latent, Sigma
from ..trajectory import Trajectory
from ..types import Cond, EditableDenoiser, Wrapper

QUANTILE = 0.7
RATE = 0.1
PULL_BELOW = 1.1644
"""The quantile, the rate of the pull, and sigma / alpha at step 400 of 1000 of Stable Diffusion's schedule, below which it
pulls (github.com/phymhan/prompt-to-prompt)."""

Proximal: TypeAlias = Callable[[Latent, Tensor], Latent]
"""`(difference, threshold) -> difference`: zero where the difference is within the threshold."""


def hard_threshold(difference: Latent, threshold: Tensor) -> Latent:
    """What exceeds the threshold stays as it is: the proximal operator of l0 (the published code shrinks it even so)."""
    return torch.where(difference.abs() > threshold, difference, 0)


def soft_threshold(difference: Latent, threshold: Tensor) -> Latent:
    """What exceeds the threshold is shrunk by it: the proximal operator of l1."""
    return difference - difference.clamp(-threshold, threshold)


def prox_npi(
    trajectory: Trajectory,
    *,
    quantile: float = QUANTILE,
    proximal: Proximal = hard_threshold,
    rate: float = RATE,
    pull_below: float = PULL_BELOW,
) -> Callable[[EditableDenoiser], EditableDenoiser]:
    """A `Target.wrap` for a cond whose unconditional prompt is the source's (`negative_prompt`; arXiv:2306.05414).

    `D = D_source + guidance * prox(D_target - D_source)` with the `quantile` of each picture's absolute difference as
    threshold (none at quantile 0); where the difference was zeroed and sigma / alpha is below `pull_below`, D moves by
    `rate` of the way to the picture. Attention edits act on D_target alone. Raises ValueError unless quantile and rate
    lie in 0..1, and at the first step if the cond has no unconditional prompt.
    """
    if not (0 <= quantile <= 1 and 0 <= rate <= 1):
        raise ValueError(f"ProxNPI's quantile and rate lie between 0 and 1; got {quantile} and {rate}.")

    def wrap(denoiser: EditableDenoiser) -> EditableDenoiser:
        return _ProxNpi(denoiser, denoiser, trajectory.xs[-1], quantile, proximal, rate, pull_below)

    return wrap


@dataclass(frozen=True)
class _ProxNpi(Wrapper):
    plain: Any
    picture: Latent
    quantile: float
    proximal: Proximal
    rate: float
    pull_below: float

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        if cond.uncond is None:
            raise ValueError(
                "ProxNPI needs the source's prompt as the target's unconditional prompt, but uncond is None."
            )
        source = self.plain(x, sigma, Cond(cond.uncond))
        difference = self.denoiser(x, sigma, cond.alone()) - source
        kept = self.proximal(difference, self.threshold(difference))
        clean = source + cond.guidance * kept
        if sigma < self.pull_below * self.path.alpha(sigma):
            clean = torch.where(kept == 0, clean + self.rate * (self.picture.to(x) - clean), clean)
        return clean

    def threshold(self, difference: Latent) -> Tensor:
        size = difference.abs().flatten(1)
        level = size.quantile(self.quantile, 1) if self.quantile > 0 else torch.zeros_like(size[:, 0])
        return level.view(-1, *[1] * (difference.ndim - 1))
