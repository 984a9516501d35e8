"""Attention maps of words, read off the fused kernel: the map of a token is the attention to its one-hot value."""

from collections.abc import Callable, Sequence

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from ..shapes import Heads
from .bank import Bank
from .site import Attend, AttentionEdit, Site

Columns = Sequence[int]
"""The key columns of one word."""

MapTensor = Float[Tensor, "batch words height width"]


def legible(site: Site) -> bool:
    """Cross-attention fine enough to show places and coarse enough to show meaning: 8 x 8 to 32 x 32 tokens."""
    return site.kind == "cross" and site.branch == "cond" and 64 <= site.tokens <= 1024


def record_maps(
    bank: Bank, name: str, words: Sequence[Columns], length: int, *, where: Callable[[Site], bool] = legible
) -> AttentionEdit:
    """An edit that changes nothing and records the maps of `words` (key columns out of `length`) in `bank` as `name`."""

    def apply(attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        bank.record(name, site, word_maps(attend, q, k, v, words, length, site.grid))
        return attend(q, k, v)

    return AttentionEdit(f"maps of {name}", where, apply)


def word_maps(
    attend: Attend, q: Heads, k: Heads, v: Heads, words: Sequence[Columns], length: int, grid: tuple[int, int, int]
) -> MapTensor:
    """The attention of every image token to each word, averaged over the heads: `attend(q, k, one_hot)`; frames side by side in the batch.

    Raises ValueError if there are more words than a head has channels.
    """
    k, v = first_copy(k, length), first_copy(v, length)
    if len(words) > v.shape[-1]:
        raise ValueError(f"At most {v.shape[-1]} words can be mapped at once in this network; got {len(words)}.")
    one_hot = torch.zeros_like(v)
    for number, columns in enumerate(words):
        one_hot[..., list(columns), number] = 1
    maps = reduce(attend(q, k, one_hot)[..., : len(words)].float(), "b heads n w -> b n w", "mean")
    frames, height, width = grid
    return rearrange(maps, "b (f h w) words -> (b f) words h w", f=frames, h=height, w=width)


def first_copy(keys: Heads, length: int) -> Heads:
    """The first `length` key tokens of a prompt that the host repeated to fill a batch; attention to the copies is the same.

    Raises ValueError if the tokens are no whole number of copies.
    """
    if keys.shape[2] % length:
        raise ValueError(f"The prompt was aligned over {length} tokens, but the network attends to {keys.shape[2]}.")
    return keys[:, :, :length]


def mean_maps(bank: Bank, name: str) -> MapTensor:
    """The mean over all sites of the maps recorded as `name`, at the finest of their sizes. Raises LookupError if there are none."""
    maps = [tensors[0] for tensors in bank.named(name)]
    if not maps:
        raise LookupError(f"No attention maps of '{name}' were recorded.")
    size = max((tuple(m.shape[-2:]) for m in maps), key=lambda shape: shape[0] * shape[1])
    return torch.stack([interpolate(m, size, mode="bilinear", align_corners=False) for m in maps]).mean(0)
