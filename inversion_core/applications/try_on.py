"""Virtual try-on: the garment of one picture on the person of another, without training."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ..attention.regions import against_others, numbers_of, word_masks
from ..attention.technique import Technique
from ..prompts.tokens import PromptTokens
from ..schedules import window
from ..shapes import Sigmas
from ..techniques.garment import BETA, Worn, garment_attention, garment_start, garment_statistics
from ..techniques.local_blend import mask_blend
from ..trajectory import Trajectory
from ..types import Cond, EditableDenoiser
from .attention_view import word_attention

Mask = Float[Tensor, "masks 1 _ _"]

# Shares of the clothing's strongest attention, over that of the other words: tried on the toybox.
THRESHOLD = 0.3  # counts as half of a region
SOFTNESS = 0.4  # the width of a region's edge
WIDE = 0.25  # from here on a place belongs to the region that changes
NARROW = 0.5  # from here on a place belongs to the garment that is put there


@dataclass(frozen=True)
class Fit:
    """How a garment is put on; ends are fractions of the steps.

    The target starts from the garment's own noise if `composed`, attends to the garment with logits shifted by `beta` up to
    `attention_end`, and takes its statistics from `statistics_start` on (1: never). The defaults are what came nearest to
    the truth on the toybox; statistics carry the light of the garment's picture along, so they help where both pictures
    are lit alike.
    """

    composed: bool = True
    beta: float = BETA
    attention_end: float = 1.0
    statistics_start: float = 1.0


DEFAULT = Fit()
RECIPE = Fit(composed=False, statistics_start=0.6)
"""Reference attention and statistics alone, for garments that cannot be brought to their place by moving and scaling."""


def dressed(worn: Worn, sigmas: Sigmas, fit: Fit = DEFAULT) -> list[Technique]:
    """The techniques that put the garment on, for an edit of the person along a trajectory with the anchor `direct`.

    Outside the region the person's picture is kept. Raises as `mask_blend`.
    """
    made = [garment_start(worn)] if fit.composed else []
    if fit.attention_end > 0:
        made.append(garment_attention(worn, active=window(sigmas, 0, fit.attention_end), beta=fit.beta))
    if fit.statistics_start < 1:
        made.append(garment_statistics(worn, active=window(sigmas, fit.statistics_start, 1)))
    return [*made, mask_blend(worn.region)]


def clothing_region(
    trajectory: Trajectory,
    denoiser: EditableDenoiser,
    cond: Cond,
    tokens: PromptTokens,
    phrase: str,
    size: Sequence[int],
) -> Mask:
    """Where the clothing that `phrase` names lies in the trajectory's picture, as a soft mask of `size`.

    It is where the phrase's last word draws more attention than the other words of the prompt do. Raises ValueError if the
    prompt lacks the phrase.
    """
    *_, last = numbers_of(tokens, phrase)
    maps = word_attention(trajectory, denoiser, cond, tokens)
    return word_masks(against_others(maps, [[last]]), size, threshold=THRESHOLD, softness=SOFTNESS)
