"""TokenFlow (arXiv:2307.10373): key frames are edited together, all frames take the edit along the source's motion.

Frames are rows of the batch. The network must see the key frames in one call before the others (`loops.chunked.Chunked`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from ..attention.bank import Bank
from ..attention.site import Attend, Site
from ..attention.technique import Pass, Technique
from ..shapes import Heads
from .cross_frame import attend_together, in_self_attention

NEARNESS = 2.0
"""What a match loses in cosine for each squared picture side that it lies away. On clips of the toybox it brought the mean
error of moving tokens at 16 x 16 from 1.1 to 0.8 tokens, and of resting ones from 0.8 to 0.1."""
SEARCHED = 1024
"""Tokens whose matches are sought at once."""

Keys = Float[Tensor, "keys heads _ dim"]
One = Float[Tensor, "heads tokens dim"]
"""Something of all key frames; an attention output of one frame."""
Matches = Int64[Tensor, "rows keys tokens"]
"""For every token of a frame the token of each key frame that shows the same thing."""
Weights: TypeAlias = Callable[[int, Sequence[int]], Sequence[float]]
"""How much of each key frame's edit a frame takes; the weights sum to 1."""
Carry: TypeAlias = Callable[[Keys, Keys, One], Keys]
"""A frame's outputs from each key frame's edited and source output at the matches, and the frame's own source output."""


def as_edited(edited: Keys, source: Keys, own: One) -> Keys:
    """The key frame's edited output in the frame's place, as published."""
    return edited


def as_changed(edited: Keys, source: Keys, own: One) -> Keys:
    """The frame's own source output, changed as the key frame's was: nothing changes where the edit changes nothing."""
    return own + (edited - source)


def two_nearest_as_published(frame: int, keys: Sequence[int]) -> list[float]:
    """The key frames before and after, as published code weighs its two; a key frame itself.

    The nearer has the sigmoid of the other's share of the distance, 0.62 to 0.73. Before the first key frame and after
    the last it is that one's.
    """
    before = max((key for key in keys if key <= frame), default=min(keys))
    after = min((key for key in keys if key >= frame), default=max(keys))
    share = (frame - before) / (after - before) if after > before else 0.0
    nearer = 1 / (1 + math.exp(-max(share, 1 - share)))
    part = 0.0 if share == 0 else nearer if share >= 0.5 else 1 - nearer
    return [(key == before) * (1 - part) + (key == after) * part for key in keys]


def all_alike(frame: int, keys: Sequence[int]) -> list[float]:
    """All key frames, each as much: what they would do differently evens out."""
    return [1 / len(keys)] * len(keys)


def token_flow(
    keys: Sequence[int],
    *,
    carry: Carry = as_changed,
    weights: Weights = all_alike,
    nearness: float = NEARNESS,
    where: Callable[[Site], bool] = in_self_attention,
) -> Technique:
    """Self-attention of key frames as of one picture, of every frame as the `weights`' mean of what `carry` brings from them.

    `out_i[p] = sum_k w_k carry(edited_k[m], source_k[m], own_i[p])` with m the token of key frame k whose source query is
    nearest to that of token p at the same site and sigma (queries matched true motion best, before keys, values and
    outputs, at every sigma; published code matches what attention is given), less `nearness` times the squared distance
    (0 in published code). The key frames' outputs are extended attention (eq. 4); one frame is edited as a still
    picture. Give it innermost. Raises ValueError without key frames.
    """
    if not keys:
        raise ValueError("TokenFlow needs at least one key frame.")
    flow = _Flow(tuple(keys), carry, weights, nearness)
    return Technique(Pass("TokenFlow, source", where, flow.record), Pass("TokenFlow, target", where, flow.inject))


@dataclass(frozen=True)
class _Flow:
    keys: tuple[int, ...]
    carry: Carry
    weights: Weights
    nearness: float

    def record(self, bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        out, call = attend(q, k, v), self.called(site, q)
        if call.rows == self.keys:
            bank.record("TokenFlow key queries", call, q)
            bank.record("TokenFlow key source", call, attend_together(attend, q, k, v))
        (queries,) = bank.recall("TokenFlow key queries", call.of(self.keys))
        bank.record("TokenFlow source", call, matches(q, queries, site.grid[1:], self.nearness), out)
        return out

    def inject(self, bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        call, keys = self.called(site, q), site.of(self.keys)
        if call.rows == self.keys:
            edited = attend_together(attend, q, k, v)
            if len(self.keys) == 1:
                return edited
            bank.record("TokenFlow key edited", call, edited)
        matched, own = bank.recall_cond("TokenFlow source", call)
        (source,) = bank.recall_cond("TokenFlow key source", keys)
        (edited,) = bank.recall("TokenFlow key edited", keys)
        out = torch.empty_like(q)
        for place, row in enumerate(call.rows or ()):
            weights = torch.tensor(self.weights(row, self.keys)).to(q).view(-1, 1, 1, 1)
            there = matched[place][:, None, :, None].expand_as(edited)
            out[place] = (weights * self.carry(edited.gather(2, there), source.gather(2, there), own[place])).sum(0)
        return out

    def called(self, site: Site, q: Heads) -> Site:
        """The site with the rows that it has."""
        return site if site.rows is not None else site.of(tuple(range(len(q))))


def matches(q: Heads, keys: Keys, size: Sequence[int], nearness: float = NEARNESS) -> Matches:
    """For each token of each row of `q` the token of each row of `keys` that is nearest in cosine and, by `nearness`, in place."""
    directions, key_directions = (normalize(rearrange(t, "b h n d -> b n (h d)").float(), dim=-1) for t in (q, keys))
    grid = torch.cartesian_prod(*(torch.arange(side) / side for side in size)).to(directions)
    nearest = []
    for part in torch.arange(len(grid), device=q.device).split(SEARCHED):
        far = nearness * torch.cdist(grid[part], grid).square()
        nearest.append(torch.stack([(row[part] @ key_directions.mT - far).argmax(-1) for row in directions]))
    return torch.cat(nearest, -1)
