"""How a fixed-point iteration `y = f(y)` goes on from the guesses tried so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

from ..shapes import Latent

WINDOW = 3
"""The guesses that a rule looks back on: those of AIDI's Anderson acceleration (arXiv:2309.04907)."""


@dataclass(frozen=True)
class Tried:
    """A guess `y`, and its error `f(y) - y`."""

    y: Latent
    error: Latent

    @property
    def image(self) -> Latent:
        """Where the plain iteration leads, `f(y)`."""
        return self.y + self.error


Update: TypeAlias = Callable[[Sequence[Tried]], Latent]
"""The next guess, from the last ones (at most `WINDOW`, the newest last)."""


def plain(tried: Sequence[Tried]) -> Latent:
    """`f(y)` itself (FPI, arXiv:2312.12540)."""
    return tried[-1].image


def anderson(tried: Sequence[Tried]) -> Latent:
    """The images weighted so that the errors cancel best, each picture by itself (AIDI, arXiv:2309.04907).

    `sum w_k f(y_k)` with `sum w_k = 1` and least `|sum w_k (f(y_k) - y_k)|`.
    """
    errors = torch.stack([t.error.flatten(1) for t in tried], 1)
    products = (errors @ errors.mT).cpu().double()
    scale = products.diagonal(dim1=1, dim2=2).sum(1).clamp(min=torch.finfo(torch.float64).tiny)
    floor = torch.finfo(errors.dtype).eps * torch.eye(len(tried), dtype=torch.float64)
    weights = torch.linalg.solve(products / scale[:, None, None] + floor, torch.ones(*products.shape[:2], 1).double())
    shares = (weights / weights.sum(1, keepdim=True)).to(errors)
    images = torch.stack([t.image.flatten(1) for t in tried], 1)
    return (shares * images).sum(1).view_as(tried[-1].y)


def averaged(tried: Sequence[Tried]) -> Latent:
    """The mean of the last two images, which averages the predictions in them: how ReNoise ends a step (arXiv:2403.14602, alg. 1).

    The two are of its ten predictions, in the published settings for SDXL Turbo. Those of a shorter first step, below time
    step 250, are left out, and so are the regularisers of the prediction: they move the fixed point away from the latent
    that the sampler leads back from, and need gradients.
    """
    return torch.stack([t.image for t in tried[-2:]]).mean(0)
