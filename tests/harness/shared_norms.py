"""Shared group normalisations as StyleAligned publishes them for real pictures (arXiv:2312.02133, `share_group_norm`)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def both_normalised(network: nn.Module, asked: Callable[[], Tensor], other: Callable[[], Tensor]) -> Tensor:
    """What `asked` gives if every group normalisation sees what it saw in `other` beside its own: side by side, cut back.

    The other is normalised by itself.
    """
    seen, layers = {}, [m for m in network.modules() if isinstance(m, nn.GroupNorm)]
    hooks = [m.register_forward_hook(lambda m, given, out: seen.update({m: given[0]})) for m in layers]
    other()
    for hook in hooks:
        hook.remove()

    def shared(m, given, out):
        pair = torch.cat([given[0], seen[m].expand(len(given[0]), -1, -1, -1)], -2)
        return m.forward(pair)[..., : given[0].shape[-2], :]

    hooks = [m.register_forward_hook(shared) for m in layers]
    out = asked()
    for hook in hooks:
        hook.remove()
    return out
