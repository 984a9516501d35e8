"""The weights of diffusers' transformers as the models' own files hold them, which other hosts keep to."""

from collections.abc import Iterator
from typing import Any

import torch
from diffusers.models.normalization import AdaLayerNormContinuous
from torch import Tensor

FUSED = {
    "attention": ("to_q", "to_k", "to_v", "proj_mlp"),
    "attention of the text": ("add_q_proj", "add_k_proj", "add_v_proj"),
}
"""Matrices of one block that are one in SD3's and Flux's files, in this order; `proj_mlp` in Flux's single blocks only."""


def fused_weights(network: Any) -> Iterator[Tensor]:
    """The weights of an SD3 or Flux transformer with each block's projections in one, and scale before shift.

    diffusers splits the projections, and stores the last modulations with their halves exchanged.
    """
    modules = network.named_modules()
    exchanged = {f"{name}.linear.weight" for name, one in modules if isinstance(one, AdaLayerNormContinuous)}
    role_of = {part: role for role, parts in FUSED.items() for part in parts}
    blocks: dict[tuple[str, str], dict[str, Tensor]] = {}
    for name, weight in network.named_parameters():
        block, _, part = name.removesuffix(".weight").rpartition(".")
        if part in role_of:
            blocks.setdefault((block.removesuffix(".attn"), role_of[part]), {})[part] = weight
        else:
            yield torch.cat(weight.chunk(2)[::-1]) if name in exchanged else weight
    for (_, role), found in blocks.items():
        yield torch.cat([found[part] for part in FUSED[role] if part in found])
