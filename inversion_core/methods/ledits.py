"""LEDITS++: any number of concepts added to or removed from a picture, each inside its own mask."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from ..attention.bank import Bank
from ..attention.maps import MapTensor, mean_maps, quarter, record_maps
from ..loops.direct import direct
from ..loops.edit import Edited
from ..prompts.tokens import PromptTokens
from ..shapes import Latent, Sigma
from ..trajectory import Trajectory
from ..types import Cond, EditableDenoiser, Prompt, Wrapper
from .editor import EditJob, Editor, edit_along
from .published import Settings

# arXiv:2311.16711, published code.
SCALE = 5.0  # a concept's
THRESHOLD = 0.9  # the quantile of a concept's masks
NOISIEST = 5.111  # sigma / alpha at step 800 of 1000 of Stable Diffusion's schedule; above, attention is the only mask


@dataclass(frozen=True)
class Concept:
    """One change: a prompt of its own ("glasses"), and how strongly and in how much of the picture (1 - threshold) it acts.

    `words` are the prompt's; with them the concept's own attention is one of its masks, without them it has one mask.
    """

    prompt: Prompt
    scale: float = SCALE
    remove: bool = False
    threshold: float = THRESHOLD
    words: PromptTokens | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"A concept's threshold is a quantile between 0 and 1; got {self.threshold}.")
        if self.words is not None and not self.words.words:
            raise ValueError("A concept's prompt has no words to map; leave its words out.")


def ledits(concepts: Sequence[Concept]) -> Callable[[EditableDenoiser], EditableDenoiser]:
    """A `Target.wrap` for the cond of an edit-friendly trajectory (LEDITS++, arXiv:2311.16711).

    `D = D_trajectory + sum_e (+-scale_e) M1_e M2_e (D_e - D_uncond)`: M1 holds where the smoothed attention to the
    concept's words, M2 where `sum_channels |D_e - D_uncond|` is at or above its quantile in the picture; above `NOISIEST`
    a concept with words has M1 alone. Attention is read as by local blend (`maps.quarter`). Attention edits act on the
    concepts alone. D_uncond is the prediction for the cond's unconditional prompt or, where the cond is
    unguided, for the cond itself: the empty prompt, as published. Raises ValueError if there is no concept.
    """
    if not concepts:
        raise ValueError("LEDITS++ needs at least one concept to add or remove.")
    return lambda denoiser: _Ledits(denoiser, denoiser, tuple(concepts))


@dataclass(frozen=True)
class _Ledits(Wrapper):
    plain: Any
    concepts: tuple[Concept, ...]

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        unguided = self.plain(x, sigma, Cond(cond.uncond) if cond.guided else cond)
        clean = unguided
        if cond.guided:
            clean = unguided + cond.guidance * (self.plain(x, sigma, cond.alone()) - unguided)
        for concept in self.concepts:
            clean = clean + self.change(concept, x, sigma, unguided)
        return clean

    def change(self, concept: Concept, x: Latent, sigma: Sigma, unguided: Latent) -> Latent:
        """What the concept adds to the clean prediction: nothing outside its masks."""
        bank, denoiser, words = Bank(), self.denoiser, concept.words
        if words is not None:
            columns = [column for word in words.words for column in word.columns]
            denoiser = denoiser.edited(record_maps("concept", [columns], words.length)(bank))
        difference = denoiser(x, sigma, Cond(concept.prompt)) - unguided
        mask = at_least(difference.abs().sum(1, keepdim=True), concept.threshold)
        if words is not None:
            attended = at_least(smooth(mean_maps(bank, "concept", quarter(x))), concept.threshold)
            mask = _fitted(attended, x) * (mask if sigma <= NOISIEST * self.path.alpha(sigma) else 1)
        return (-1 if concept.remove else 1) * concept.scale * mask * difference


def at_least(values: Float[Tensor, "batch 1 *space"], quantile: float) -> Float[Tensor, "batch 1 *space"]:
    """1 where a value is at or above the `quantile` of its picture, else 0."""
    level = values.flatten(1).quantile(quantile, 1)
    return (values >= level.view(-1, *[1] * (values.ndim - 1))).to(values.dtype)


def smooth(maps: MapTensor) -> MapTensor:
    """One map blurred by 3 x 3 weights `exp(-d^2)`, mirrored at the edges (published code)."""
    weights = torch.exp(-(torch.arange(-1.0, 2.0) ** 2)).to(maps)
    kernel = weights[:, None] * weights / weights.sum() ** 2
    return conv2d(pad(maps, (1, 1, 1, 1), mode="reflect"), kernel[None, None])


def _fitted(mask: Tensor, x: Latent) -> Tensor:
    """The mask of a picture, or of the frames of a video, at the latent's size."""
    fitted = interpolate(mask, x.shape[-2:]).to(x)
    return fitted if x.ndim == 4 else fitted.unflatten(0, (x.shape[0], -1)).movedim(1, 2)


def _edit(job: EditJob, trajectory: Trajectory) -> Edited:
    """One concept to add, the target's whole prompt, at the scale of its guidance; its words are not known here."""
    without = Cond(job.source.cond if job.source.uncond is None else job.source.uncond)
    wrap = ledits([Concept(job.target.cond, job.target.guidance)])
    return edit_along(job, trajectory, target=without, wrap=wrap, anchor=direct)


EDITOR = Editor(
    "LEDITS++",
    _edit,
    inversion="edit-friendly DDPM",  # on the toybox nearer to the truth than "LEDITS++", along which it was published
    solvers=("ddpm", "sde_dpmpp_2m"),
    promptless=True,
    about="adds the concept of the target prompt where that concept acts most",
    # Published on SD1 and SDXL: 15 % of the levels are skipped, 30 steps on the others; on `rf` the same.
    settings=dict.fromkeys(("ve", "rf"), Settings(5.0, 1.0, 0.85, 35)),
)
