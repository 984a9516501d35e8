"""Uni-Edit (arXiv:2504.13109): the difference of two prompts, stressed where it is large, along a stored trajectory."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..shapes import Latent, Sigma
from ..types import Cond, EditableDenoiser, Wrapper

WEIGHT = 5.0
"""Weight of the difference (omega), beside 15 steps, strength 0.6 and guidance 1 (published code)."""

EPSILON = 1e-7
"""Keeps the mask at 0 where the prompts agree everywhere and the published code for Flux divides 0 by 0."""


def uni_edit(denoiser: EditableDenoiser, source: Cond, *, weight: float = WEIGHT) -> EditableDenoiser:
    """A denoiser for a target: `D_s + m (D_t - D_s) + weight (1 + m) (D_t - D_s)` (arXiv:2504.13109).

    D_s is its prediction for `source` at the target's own state, without the target's attention edits. m is the mean of
    `|D_t - D_s|` over the channels, brought to 0..1 picture by picture. Two evaluations where the target alone has one.
    """
    return _UniEdit(denoiser, denoiser, source, weight)


@dataclass(frozen=True)
class _UniEdit(Wrapper):
    plain: EditableDenoiser
    source: Cond
    weight: float

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        before = self.plain(x, sigma, self.source)
        change = self.denoiser(x, sigma, cond) - before
        mask = _stressed(change)
        return before + (mask + self.weight * (1 + mask)) * change


def _stressed(change: Latent) -> Float[Tensor, "batch 1 *space"]:
    size = change.abs().mean(1, keepdim=True)
    low, high = (bound.view(-1, *[1] * (size.ndim - 1)) for bound in torch.aminmax(size.flatten(1), dim=1))
    return (size - low) / (high - low).clamp(min=EPSILON)
