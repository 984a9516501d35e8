"""Uni-Edit (arXiv:2504.13109): the difference of two prompts, stressed where it is large, along a stored trajectory."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..loops.direct import direct
from ..loops.integrate import working
from ..progress import OnStep, Progress
from ..shapes import Latent, LatentMask, Sigma
from ..types import Cond, EditableDenoiser, Wrapper
from .editor import Editor, edit_along
from .published import Settings

WEIGHT = 5.0
"""Weight of the difference (omega), beside 15 steps, strength 0.6 and guidance 1 (published code)."""

EPSILON = 1e-7
"""Keeps the mask at 0 where the prompts agree everywhere and the published code for Flux divides 0 by 0."""


def uni_edit(denoiser: EditableDenoiser, source: Cond, *, weight: float = WEIGHT) -> EditableDenoiser:
    """A denoiser for a target: `D_s + m (D_t - D_s) + weight (1 + m) (D_t - D_s)` (arXiv:2504.13109).

    D_s is its prediction for `source` at the target's own state, without the target's attention edits. m is the mean of
    `|D_t - D_s|` over the channels at each place of the latent, brought to 0..1 picture by picture: published code takes
    the mean over a whole token for Flux, and the mean with its sign for SD3 and SDXL. Two evaluations where the target
    alone has one.
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
        mask = stressed(change.abs().mean(1, keepdim=True))
        return before + (mask + self.weight * (1 + mask)) * change


def uni_edit_mask(
    denoiser: EditableDenoiser,
    states: Sequence[tuple[Latent, Sigma]],
    source: Cond,
    target: Cond,
    *,
    on_step: OnStep | None = None,
) -> LatentMask:
    """Uni-Edit's mask of a picture, 0..1, for `local_blend.mask_blend`; frames side by side in the batch.

    `mean |D_t(x) - D_s(x)|` over the channels and the `states` (x, sigma) of its trajectory, brought to 0..1 picture by
    picture; 0 where the prompts agree everywhere. Guidance is not used: two evaluations a state. Raises ValueError if
    there is no state.
    """
    if not states:
        raise ValueError("Uni-Edit's mask needs the image's latent at one noise level or more; got none.")
    changes = []
    for index, (state, sigma) in enumerate(states):
        x = working(state, denoiser)
        after, before = denoiser(x, sigma, target.alone()), denoiser(x, sigma, source.alone())
        changes.append((after - before).abs().mean(1, keepdim=True))
        if on_step is not None:
            on_step(Progress("mask", index, len(states), float(sigma), x, after, source=before))
    mask = stressed(torch.stack(changes).mean(0))
    return mask if mask.ndim == 4 else mask.movedim(1, 2).flatten(0, 1)


Size = Float[Tensor, "batch 1 *space"]


def stressed(size: Size) -> Size:
    """How much two prompts differ at each place, brought to 0..1 picture by picture."""
    low, high = (bound.view(-1, *[1] * (size.ndim - 1)) for bound in torch.aminmax(size.flatten(1), dim=1))
    return (size - low) / (high - low).clamp(min=EPSILON)


EDITOR = Editor(
    "Uni-Edit",
    lambda job, trajectory: edit_along(
        job, trajectory, wrap=lambda network: uni_edit(network, job.source), anchor=direct
    ),
    inversion="Uni-Inv",
    promptless=True,
    about="stresses the difference between the prompts where that difference is large, along a stored path",
    # Published code, on SDXL, SD3 and Flux.
    settings=dict.fromkeys(("ve", "rf", "distilled"), Settings(1.0, 1.0, 0.6, 15)),
)
