"""Attention maps of words, read off the fused kernel: the map of a token is the attention to its one-hot value."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ..prompts.tokens import Parts, columns_in, parts_of
from ..shapes import Heads, Latent
from .bank import Bank
from .edited_call import bare
from .site import Attend, Site
from .technique import Pass

Columns = Sequence[int]
"""The key columns of one word."""

CARRIER = 256.0
"""The height of a one-hot value: a power of two, large beside what other edits add to an output, so that little is lost in 16 bits."""

MapTensor = Float[Tensor, "batch words height width"]


def legible(site: Site) -> bool:
    """Attention to words that shows places and meaning: at 8 x 8 to 32 x 32 tokens of a UNet, at all of a transformer."""
    fits = in_transformer(site) or 64 <= site.tokens <= 1024
    return site.kind in ("cross", "joint") and site.branch == "cond" and fits


def in_transformer(site: Site) -> bool:
    """Whether the block is a transformer's, which have image tokens of one size: hosts name them "double" and "single"."""
    return site.block.startswith(("double.", "single."))


READ = {
    (19, 38): ("double.18", "double.17", "double.12", "double.14", "double.11"),
    (24, 0): ("double.7", "double.8", "double.5", "double.4", "double.9"),
    (38, 0): ("double.18", "double.21", "double.20", "double.24", "double.16"),
}
"""The five blocks whose maps show words most clearly, by the numbers of double and single blocks: Flux, Stable Diffusion 3 medium
and 3.5 large (arXiv:2508.07519, published code). Stable Diffusion 3.5 medium, of as many blocks as 3, is read in 3's."""


def clearest(blocks: Sequence[str]) -> Callable[[Site], bool]:
    """Where to read the words in a network of `blocks`: in those known to show them, of a network that is known, else where legible."""
    double, single = (sum(name.startswith(kind) for name in blocks) for kind in ("double.", "single."))
    known = READ.get((double, single))
    return (lambda site: legible(site) and site.block in known) if known else legible


def record_maps(name: str, words: Sequence[Columns], length: int, *, where: Callable[[Site], bool] = legible) -> Pass:
    """A pass that changes nothing and records the maps of `words` (key columns out of `length`) as `name`."""
    return record_parts(name, [(words, length)], where=where)


Reading: TypeAlias = tuple[Sequence[Columns], int]
"""What is read of a part of a prompt: the columns of each word, and the number of tokens."""


def readings(tokens: Parts, words: Sequence[str]) -> list[Reading]:
    """All of the words as one, in each part of the prompt. Raises ValueError if one of them is in no part."""
    columns_of_words = [columns_in(tokens, word) for word in words]
    return [
        ([tuple(c for columns in columns_of_words for c in columns[number])], part.length)
        for number, part in enumerate(parts_of(tokens))
    ]


def record_parts(name: str, parts: Sequence[Reading], *, where: Callable[[Site], bool] = legible) -> Pass:
    """As `record_maps`, with a reading for each part of the prompt, or one for all; a part without the words is not read."""

    def of(site: Site) -> Reading:
        return parts[site.part if len(parts) > 1 else 0]

    def apply(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        bank.record(name, site, word_maps(attend, q, k, v, *of(site), site))
        return attend(q, k, v)

    return Pass(f"maps of {name}", lambda site: where(site) and any(of(site)[0]), apply, reads=True)


def word_maps(
    attend: Attend, q: Heads, k: Heads, v: Heads, words: Sequence[Columns], length: int, site: Site
) -> MapTensor:
    """The attention of every image token to each word, averaged over the heads; frames side by side in the batch.

    It is what `attend` gives for the word's one-hot value, so that edits inside act on the map as on what is made of it:
    of Prompt-to-Prompt it is the edited map, as in the published code. In joint attention they may bring values of their
    own, and what those give is taken off. As many words as a head has channels are read in one call. Raises ValueError if
    the prompt has not `length` tokens.
    """
    check_text(len(site.text), length)
    k, v = own_text(k, site), own_text(v, site)
    most = v.shape[-1]
    parts = [_columns(attend, q, k, v, words[n : n + most], site) for n in range(0, len(words), most)]
    maps, (frames, height, width) = torch.cat(parts, -1)[:, site.image], site.grid
    return on_picture(rearrange(maps, "b (f h w) words -> (b f) words h w", f=frames, h=height, w=width), site)


def _columns(attend: Attend, q: Heads, k: Heads, v: Heads, words: Sequence[Columns], site: Site) -> Tensor:
    one_hot = torch.zeros_like(v)
    for number, columns in enumerate(words):
        one_hot[:, :, [site.text.start + column for column in columns], number] = CARRIER
    carried = attend(q, k, one_hot)
    if site.kind == "joint" and not bare(attend):
        carried = carried - attend(q, k, torch.zeros_like(v))
    return reduce(carried[..., : len(words)].float() / CARRIER, "b heads n w -> b n w", "mean")


def on_picture(maps: MapTensor, site: Site) -> Float[Tensor, "batch words rows columns"]:
    """Maps of a call that shows a window of the picture, on the whole of it: 0 around."""
    if site.window is None:
        return maps
    top, left, bottom, right = site.window
    height, width = (
        max(round(n / (end - start)), n)
        for n, start, end in zip(maps.shape[-2:], (top, left), (bottom, right), strict=True)
    )
    y, x = (
        min(round(start * size), size - n)
        for start, size, n in zip((top, left), (height, width), maps.shape[-2:], strict=True)
    )
    return pad(maps, (x, width - x - maps.shape[-1], y, height - y - maps.shape[-2]))


def check_text(tokens: int, length: int) -> None:
    """Raises ValueError if the network attends to another number of text `tokens` than the `length` of the prompt that was aligned."""
    if tokens != length:
        raise ValueError(
            f"The prompt was aligned over {length} tokens, but the network attends to {tokens} text tokens. Take the words of the "
            "prompt from the model's own text encoder."
        )


def own_text(tokens: Heads, site: Site) -> Heads:
    """Keys or values of cross-attention without the copies of the prompt that a host adds to fill a batch: attention is the same.

    Raises ValueError if what follows the prompt is no whole number of copies.
    """
    if site.kind != "cross":
        return tokens
    if tokens.shape[2] % len(site.text):
        raise ValueError(
            f"The prompt has {len(site.text)} tokens, but the network attends to {tokens.shape[2]}: a patch adds tokens to the text. "
            "Remove that patch from the model."
        )
    return tokens[:, :, : len(site.text)]


def quarter(x: Latent) -> tuple[int, int]:
    """A quarter of a latent's height and width: the size at which local blend and LEDITS++ read words, as published for
    Stable Diffusion 1 (five sites of 16 x 16 at 512 x 512)."""
    return x.shape[-2] // 4, x.shape[-1] // 4


def mean_maps(bank: Bank, name: str, wanted: tuple[int, int] | None = None) -> MapTensor:
    """The mean of the maps recorded as `name` that are of the size `wanted`, or of all, at the finest of their sizes, if none is.

    Raises LookupError if there are no maps.
    """
    maps = [tensors[0] for tensors in bank.named(name)]
    maps = [m for m in maps if tuple(m.shape[-2:]) == wanted] or maps
    if not maps:
        raise LookupError(f"No attention maps of '{name}' were recorded.")
    size = max((tuple(m.shape[-2:]) for m in maps), key=lambda shape: shape[0] * shape[1])
    return torch.stack([interpolate(m, size, mode="bilinear", align_corners=False) for m in maps]).mean(0)
