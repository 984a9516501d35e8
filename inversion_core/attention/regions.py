"""From the attention maps of a prompt's words to regions of the picture: filled up to the edges of things, compared, cut."""

from collections.abc import Sequence

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from ..prompts.script import folded
from ..prompts.tokens import PromptTokens
from ..shapes import Heads
from .bank import Bank
from .maps import MapTensor
from .site import Attend, Site
from .technique import Pass

THRESHOLD = 0.4
"""Share of a word's strongest attention that counts as its region."""

PhraseTensor = Float[Tensor, "batch phrases height width"]
MaskTensor = Float[Tensor, "batch phrases mask_height mask_width"]

Numbers = Sequence[int]
"""The places, in the prompt, of the words of one phrase."""


def record_spread(name: str, maps: MapTensor, *, times: int) -> Pass:
    """A pass that changes nothing and records `maps` after every place took the mean of the places that it attends to.

    `m <- A m / A 1`, `times` over, with A the attention of the picture to itself at the maps' size, read as
    `attend(q, k, m)` and averaged over the heads. Things are filled up to their edges, because their parts attend to each
    other (self-attention completes cross-attention: arXiv:2309.02773, sec. 3).
    """

    def where(site: Site) -> bool:
        seen = site.kind in ("self", "joint") and site.branch == "cond" and site.window is None
        return seen and site.grid[1:] == tuple(maps.shape[-2:])

    def apply(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        frames, height, width = site.grid
        values = rearrange(maps, "(b f) words h w -> b (f h w) words", f=frames)
        values = values if site.rows is None else values[list(site.rows)]
        for _ in range(times):
            values = _carried(attend, q, k, v, values, site)
        bank.record(name, site, rearrange(values, "b (f h w) words -> (b f) words h w", f=frames, h=height, w=width))
        return attend(q, k, v)

    return Pass(f"spread of {name}", where, apply, reads=True)


def _carried(attend: Attend, q: Heads, k: Heads, v: Heads, values: Tensor, site: Site) -> Tensor:
    """`A values / A 1`; the last channel of a head carries the ones."""
    parts = []
    for part in values.split(v.shape[-1] - 1, -1):
        carrier = torch.zeros_like(v)
        carrier[:, :, site.image, : part.shape[-1]] = part[:, None].to(v)
        carrier[:, :, site.image, -1] = 1
        moved = reduce(attend(q, k, carrier)[:, :, site.image].float(), "b heads n c -> b n c", "mean")
        parts.append(moved[..., : part.shape[-1]] / moved[..., -1:].clamp(min=1e-6))
    return torch.cat(parts, -1)


def numbers_of(tokens: PromptTokens, phrase: str) -> Numbers:
    """Which of the prompt's words hold tokens of an occurrence of a phrase. Raises ValueError, naming the words there are, if it is absent."""
    columns = set(tokens.columns_of(phrase))
    return [number for number, word in enumerate(tokens.words) if columns.intersection(word.columns)]


def distinct_words(tokens: PromptTokens) -> list[str]:
    """The prompt's words in order, each once, without punctuation."""
    first: dict[str, str] = {}
    for text in tokens.named:
        first.setdefault(folded(text), text)
    return list(first.values())


def visible(
    maps: MapTensor, padded: Sequence[int], size: Sequence[int]
) -> tuple[Float[Tensor, "batch words rows columns"], tuple[int, int]]:
    """The part of maps of a picture, padded at the right and the bottom, that shows the picture of `size`, and what size it covers.

    What lies in the padding may draw more attention than anything in the picture, so it is left out first.
    """
    cells = [-(-length * count // whole) for length, whole, count in zip(size, padded, maps.shape[-2:], strict=True)]
    covered = [round(n * whole / count) for n, whole, count in zip(cells, padded, maps.shape[-2:], strict=True)]
    return maps[..., : cells[0], : cells[1]], (covered[0], covered[1])


def alone(maps: MapTensor, phrases: Sequence[Numbers]) -> PhraseTensor:
    """The phrases' maps, each from 0 at its least to 1 at its most: `maps` are those of all words of the prompt."""
    return _stretched(torch.stack([maps[:, list(numbers)].sum(1) for numbers in phrases], 1))


def against_others(maps: MapTensor, phrases: Sequence[Numbers]) -> PhraseTensor:
    """Where the phrases draw more attention than the prompt's other words do, 0..1.

    With z each word's map less its mean, over its deviation in the picture: `max(mean z of the phrase - mean z of the
    others, 0)`, over its maximum. What all words share, such as edges and the corners of the picture, falls out.
    """
    deviation = maps - maps.mean((-2, -1), keepdim=True)
    z = deviation / maps.std((-2, -1), keepdim=True).clamp(min=1e-12)
    clearness = []
    for numbers in phrases:
        others = [number for number in range(maps.shape[1]) if number not in numbers]
        rest = z[:, others].mean(1) if others else torch.zeros_like(z[:, 0])
        clearness.append(z[:, list(numbers)].mean(1) - rest)
    clear = torch.stack(clearness, 1).clamp(min=0)
    return clear / clear.amax((-2, -1), keepdim=True).clamp(min=1e-12)


def word_masks(
    maps: PhraseTensor, size: Sequence[int], *, threshold: float = THRESHOLD, softness: float = 0.0
) -> MaskTensor:
    """Masks of `size`: 1 where a map exceeds `threshold` of its maximum, else 0, rising evenly over `softness` around it.

    Raises ValueError unless threshold and softness lie in 0..1.
    """
    if not (0 <= threshold <= 1 and 0 <= softness <= 1):
        raise ValueError(f"Threshold and softness lie between 0 and 1; got {threshold:g} and {softness:g}.")
    wide = enlarged(maps, size)
    share = wide / wide.amax((-2, -1), keepdim=True).clamp(min=1e-12)
    return ((share - threshold) / softness + 0.5).clamp(0, 1) if softness else (share > threshold).to(maps)


def enlarged(maps: PhraseTensor, size: Sequence[int]) -> MaskTensor:
    """The maps at another size, linear in between."""
    return interpolate(maps, tuple(size), mode="bilinear", align_corners=False)


def _stretched(maps: PhraseTensor) -> PhraseTensor:
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-12)
