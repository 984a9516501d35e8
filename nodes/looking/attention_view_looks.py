"""What Attention View reads: the maps of a prompt's words along a trajectory, and the regions cut from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...inversion_core.applications.attention_view import word_attention
from ...inversion_core.attention.maps import clearest, in_transformer, legible
from ...inversion_core.attention.regions import (
    Numbers,
    against_others,
    alone,
    distinct_words,
    enlarged,
    numbers_of,
    visible,
    word_masks,
)
from ...inversion_core.attention.site import Site
from ...inversion_core.backends.comfy.attention import blocks_of, check_editable
from ...inversion_core.prompts.reading import label
from ...inversion_core.schedules import window
from ..kit.checks import span
from ..kit.common import check_model
from ..kit.prompt_text import word_list
from ..run.along import along
from ..run.progress import reporter
from ..run.prompt_tokens import prompt_tokens
from ..sockets import LatentTrajectory

WAYS = {"against the other words": against_others, "alone": alone}
USUAL, COARSE, ALL = "up to 32 x 32", "up to 16 x 16", "all"


@dataclass(frozen=True)
class Looks:
    """The node's widgets beside the prompt."""

    words: str
    mask_words: str
    layers: str
    blocks: str
    start: float
    end: float
    looks: int
    spread: int
    show: str
    threshold: float
    softness: float

    def where(self, blocks: Sequence[str]) -> Callable[[Site], bool]:
        """Which layers are read in a network of `blocks`."""
        named = word_list(self.blocks)
        for name in named:
            if not any(name in block for block in blocks):
                raise ValueError(f"No block name contains '{name}'. Use this network's blocks: {', '.join(blocks)}.")
        usual = legible if named else clearest(blocks)
        sized = {USUAL: usual, COARSE: lambda site: usual(site) and _coarse(site), ALL: _to_words}[self.layers]
        return lambda site: sized(site) and (not named or any(name in site.block for name in named))


def _coarse(site: Site) -> bool:
    return site.tokens <= 256 or in_transformer(site)


def _to_words(site: Site) -> bool:
    return site.kind in ("cross", "joint") and site.branch == "cond"


@dataclass(frozen=True)
class Seen:
    """The words that are shown, with what is written beside them, their maps 0..1 and masks `[pictures, words, height, width]`,
    and the masks of the chosen ones in one, `[pictures, height, width]`."""

    words: tuple[str, ...]
    labels: tuple[str, ...]
    maps: Tensor
    masks: Tensor
    mask: Tensor


def look(model: Any, record: LatentTrajectory, clip: Any, image: Tensor, prompt: str, looks: Looks) -> Seen:
    """The words in a picture. Raises ValueError if model, trajectory, picture or words do not fit each other."""
    check_model(record, model, None)
    check_editable(model.model.diffusion_model)
    tokens, trajectory = prompt_tokens(clip, prompt), record.trajectory
    shown = word_list(looks.words) or tuple(distinct_words(tokens))
    chosen = word_list(looks.mask_words) or word_list(looks.words) or shown[:1]
    numbers = {word: numbers_of(tokens, word) for word in (*shown, *chosen)}
    active = window(trajectory.sigmas, *span(looks.start, looks.end))
    padded, size = sizes(record, image)
    where = looks.where(blocks_of(model.model.diffusion_model))

    def body(denoiser: Any, prepared: Any) -> Tensor:
        options = {"active": active, "looks": looks.looks, "spreads": looks.spread, "where": where}
        return word_attention(trajectory, denoiser, prepared("prompt"), tokens, **options, on_step=reporter())

    prompts = {"prompt": clip.encode_from_tokens_scheduled(clip.tokenize(prompt))}
    raw = along(record, model, prompts, body)
    pixels = Cut(WAYS[looks.show], looks.threshold, looks.softness, padded, size)
    maps, masks = pixels.of(raw, [numbers[word] for word in shown])
    labels = tuple(label(tokens, word) for word in shown)
    return Seen(shown, labels, maps, masks, pixels.of(raw, [numbers[word] for word in chosen])[1].amax(1))


@dataclass(frozen=True)
class Cut:
    """How maps become pixels: the way they are shown, the masks' edge, the padded picture's size and the picture's own."""

    way: Callable[[Tensor, Sequence[Numbers]], Tensor]
    threshold: float
    softness: float
    padded: tuple[int, int]
    size: tuple[int, int]

    def of(self, raw: Tensor, phrases: Sequence[Numbers]) -> tuple[Tensor, Tensor]:
        """The maps and the masks of phrases, in the picture's size."""
        shown, covered = visible(raw, self.padded, self.size)
        maps, (height, width) = self.way(shown, phrases), self.size
        masks = word_masks(maps, covered, threshold=self.threshold, softness=self.softness)
        return tuple(t[..., :height, :width] for t in (enlarged(maps, covered).clamp(0, 1), masks))


def sizes(record: LatentTrajectory, image: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
    """Height and width of the padded picture, and of the picture. Raises ValueError if `image` is not of the trajectory's size."""
    height, width = image.shape[1:3]
    frame = record.frame
    if frame is None:
        return (height, width), (height, width)
    if (frame.height, frame.width) != (height, width):
        raise ValueError(
            f"The image is {width} x {height}, but the trajectory is of an image of {frame.width} x {frame.height}. Connect the "
            "image that was inverted."
        )
    return (frame.padded_height, frame.padded_width), (height, width)
