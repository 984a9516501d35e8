"""Keys that count more or less than once, exactly, on the fused attention kernel."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..shapes import Heads
from .site import Attend


def weighted(attend: Attend, q: Heads, k: Heads, v: Heads, weights: Float[Tensor, "#rows #heads _ 1"]) -> Heads:
    """Attention in which key j counts `weights[j]` times, which is a shift of its logits by the logarithm; 0 hides it.

    `sum_j w_j e^(s_j) v_j / sum_j w_j e^(s_j) = attend(q, k, w v) / attend(q, k, w)`: the softmax's own denominator
    cancels. Two calls of the host's kernel. A query whose weighted keys have no mass in the precision of `v` attends to
    all keys alike, as if there were no weights.
    """
    counts = weights.to(v)
    mass = attend(q, k, counts.expand_as(v).contiguous())
    out = attend(q, k, counts * v) / mass
    lost = mass <= 0
    return torch.where(lost, attend(q, k, v), out) if bool(lost.any()) else out
