"""ProxNPI: negative-prompt inversion whose guidance is kept only where the prompts differ most."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from ..shapes import Latent, Sigma
from ..trajectory import Trajectory
from ..types import Cond, EditableDenoiser, Wrapper
from .editor import Editor, edit_along
from .negative_prompt import negative_prompt
from .published import Settings

# github.com/phymhan/prompt-to-prompt.
QUANTILE = 0.7  # of the absolute difference: the threshold
RATE = 0.1  # of the pull to the picture
PULL_BELOW = 1.1644  # sigma / alpha at step 400 of 1000 of Stable Diffusion's schedule
WIDENED = 1  # cells by which the edit's mask is widened

Proximal: TypeAlias = Callable[[Latent, Tensor], Latent]
"""`(difference, threshold) -> difference`: zero where the difference is within the threshold."""


def hard_threshold(difference: Latent, threshold: Tensor) -> Latent:
    """What exceeds the threshold stays as it is: the proximal operator of l0 (the paper's; its code shrinks)."""
    return torch.where(difference.abs() > threshold, difference, 0)


def soft_threshold(difference: Latent, threshold: Tensor) -> Latent:
    """What exceeds the threshold is shrunk by it: the proximal operator of l1, and what the published code calls l0."""
    return difference - difference.clamp(-threshold, threshold)


def prox_npi(
    trajectory: Trajectory,
    *,
    quantile: float = QUANTILE,
    proximal: Proximal = soft_threshold,
    rate: float = RATE,
    widened: int = WIDENED,
) -> Callable[[EditableDenoiser], EditableDenoiser]:
    """A `Target.wrap` for a cond whose unconditional prompt is the source's (`negative_prompt`; arXiv:2306.05414, its code).

    `D = D_source + guidance * prox(D_target - D_source)`. The threshold is the `quantile` of the absolute difference over
    source and target together, the source's being nothing: 0.7 zeroes 0.4 of the target's; at quantile 0 there is none.
    While sigma / alpha is below `PULL_BELOW`, each DDIM step along the trajectory's grid ends with the clean latent moved
    by `rate` of the way to the picture and the noise as it was, where prox left no more than the threshold, `widened`
    cells away from where it left more. Attention edits act on D_target alone. Raises ValueError unless quantile and rate
    lie in 0..1, and at the first step if the cond has no unconditional prompt.
    """
    if not (0 <= quantile <= 1 and 0 <= rate <= 1):
        raise ValueError(f"ProxNPI's quantile and rate lie between 0 and 1; got {quantile} and {rate}.")

    return lambda denoiser: _ProxNpi(denoiser, denoiser, trajectory, quantile, proximal, rate, widened)


@dataclass(frozen=True)
class _ProxNpi(Wrapper):
    plain: Any
    trajectory: Trajectory
    quantile: float
    proximal: Proximal
    rate: float
    widened: int

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        if cond.uncond is None:
            raise ValueError(
                "ProxNPI needs the source's prompt as the target's unconditional prompt, but uncond is None."
            )
        source = self.plain(x, sigma, Cond(cond.uncond))
        difference = self.denoiser(x, sigma, cond.alone()) - source
        threshold = self.threshold(difference)
        kept = self.proximal(difference, threshold)
        clean = source + cond.guidance * kept
        if sigma < PULL_BELOW * self.path.alpha(sigma):
            clean = clean + self.reach(sigma) * self.untouched(kept, threshold) * (self.trajectory.xs[-1].to(x) - clean)
        return clean

    def threshold(self, difference: Latent) -> Tensor:
        size = difference.abs().flatten(1)
        pair = torch.cat([torch.zeros_like(size), size], 1)
        level = pair.quantile(self.quantile, 1) if self.quantile > 0 else torch.zeros_like(size[:, 0])
        return level.view(-1, *[1] * (difference.ndim - 1))

    def untouched(self, kept: Latent, threshold: Tensor) -> Latent:
        """1 where there is no edit in sight, else 0."""
        edited = (kept.abs() > threshold).to(kept).flatten(0, -3)
        return 1 - max_pool2d(edited, 2 * self.widened + 1, 1, self.widened).view_as(kept)

    def reach(self, sigma: Sigma) -> Sigma:
        """How far the prediction must move for the next DDIM step to end with its clean latent moved by `rate`."""
        levels = self.trajectory.sigmas
        after = levels[levels < sigma].max()
        return self.rate * self.path.alpha(after) * sigma / (sigma - after)


EDITOR = Editor(
    "ProxNPI",
    lambda job, trajectory: edit_along(
        job,
        trajectory,
        source=job.source.alone(),
        target=negative_prompt(job.target, job.source),
        wrap=prox_npi(trajectory),
    ),
    inversion="ddim",
    uncond=True,
    own_negative=True,
    about="negative-prompt, applied where the prompts differ most",
    settings={
        "ve": Settings(7.5, 1.0, 1.0, 50),  # published code, on Stable Diffusion 1
        "rf": Settings(3.0, 1.0, 1.0, 50),  # the toybox's
    },
)
