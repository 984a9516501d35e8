"""Frames that look at each other: self-attention to the keys and values of other frames of the clip.

Frames are rows of the batch, so this is for networks of pictures; what a video network attends to lies in its tokens.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from einops import rearrange
from torch import Tensor

from ..attention.bank import Bank
from ..attention.site import Attend, Site
from ..attention.technique import Pass, Technique
from ..shapes import Heads

Sees: TypeAlias = Callable[[int], Sequence[int]]
"""Which frames a frame's self-attention sees. Those must be in the same call as the frame, or in one before it."""


def key_frames(keys: Sequence[int]) -> Sees:
    """All key frames and the frame itself: extended attention (arXiv:2307.10373, eq. 4)."""
    return lambda frame: keys if frame in keys else (*keys, frame)


def first_and_previous(frame: int) -> Sequence[int]:
    """The first frame and the one before; the first sees itself (arXiv:2303.12688, sec. 3.2)."""
    return (0, max(frame - 1, 0)) if frame > 1 else (0,)


def in_self_attention(site: Site) -> bool:
    """Every self-attention of the network."""
    return site.kind == "self"


def cross_frame(sees: Sees, *, where: Callable[[Site], bool] = in_self_attention) -> Technique:
    """Each target frame's self-attention goes to the target's keys and values of the frames that it `sees`.

    `softmax(q_i [k_j ...] / sqrt(dim)) [v_j ...]` over the frames j of `sees(i)`. One frame is edited as a still picture.
    Give it innermost, so that what another technique puts in a frame's place is what the others see.
    """

    def inject(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        bank.record("cross-frame", site, k, v)
        rows = site.rows or range(len(q))
        seen = (bank.recall("cross-frame", site.of(tuple(sees(row)))) for row in rows)
        return torch.cat([attend(q[i : i + 1], *map(side_by_side, kv)) for i, kv in enumerate(seen)])

    return Technique(inject=Pass("cross-frame attention", where, inject))


def attend_together(attend: Attend, q: Heads, k: Heads, v: Heads) -> Heads:
    """Attention in which every row sees the keys and values of all rows; one row is left as it is."""
    if len(q) == 1:
        return attend(q, k, v)
    return attend(q, *(side_by_side(t).expand(len(q), -1, -1, -1) for t in (k, v)))


def side_by_side(keys: Tensor) -> Tensor:
    """The tokens of all rows as those of one row."""
    return rearrange(keys, "f h n d -> 1 h (f n) d")
