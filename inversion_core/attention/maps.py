"""Attention maps of words, read off the fused kernel: the map of a token is the attention to its one-hot value."""

from collections.abc import Callable, Sequence

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from ..shapes import Heads, Latent
from .bank import Bank
from .site import Attend, AttentionEdit, Site

Columns = Sequence[int]
"""The key columns of one word."""

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


def record_maps(
    bank: Bank, name: str, words: Sequence[Columns], length: int, *, where: Callable[[Site], bool] = legible
) -> AttentionEdit:
    """An edit that changes nothing and records the maps of `words` (key columns out of `length`) in `bank` as `name`."""

    def apply(attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        bank.record(name, site, word_maps(attend, q, k, v, words, length, site))
        return attend(q, k, v)

    return AttentionEdit(f"maps of {name}", where, apply)


def word_maps(
    attend: Attend, q: Heads, k: Heads, v: Heads, words: Sequence[Columns], length: int, site: Site
) -> MapTensor:
    """The attention of every image token to each word, averaged over the heads: `attend(q, k, one_hot)`; frames side by side in the batch.

    As many words as a head has channels are read in one call. Raises ValueError if the prompt has not `length` tokens.
    """
    if site.kind == "joint":
        check_text(len(site.text), length)
    else:
        k, v = first_copy(k, length), first_copy(v, length)
    at, most = site.text.start, v.shape[-1]
    parts = [_columns(attend, q, k, v, words[n : n + most], at) for n in range(0, len(words), most)]
    maps, (frames, height, width) = torch.cat(parts, -1)[:, site.image], site.grid
    return rearrange(maps, "b (f h w) words -> (b f) words h w", f=frames, h=height, w=width)


def _columns(attend: Attend, q: Heads, k: Heads, v: Heads, words: Sequence[Columns], first: int) -> Tensor:
    one_hot = torch.zeros_like(v)
    for number, columns in enumerate(words):
        one_hot[:, :, [first + column for column in columns], number] = 1
    return reduce(attend(q, k, one_hot)[..., : len(words)].float(), "b heads n w -> b n w", "mean")


def check_text(tokens: int, length: int) -> None:
    """Raises ValueError if joint attention is to another number of text `tokens` than the `length` of the prompt that was aligned."""
    if tokens != length:
        raise ValueError(
            f"The prompt was aligned over {length} tokens, but the network attends to {tokens} of text. Take the prompt's "
            "words from the model's own text encoder."
        )


def first_copy(keys: Heads, length: int) -> Heads:
    """The first `length` key tokens of a prompt that the host repeated to fill a batch; attention to the copies is the same.

    Raises ValueError if the tokens are no whole number of copies.
    """
    if keys.shape[2] % length:
        raise ValueError(f"The prompt was aligned over {length} tokens, but the network attends to {keys.shape[2]}.")
    return keys[:, :, :length]


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
