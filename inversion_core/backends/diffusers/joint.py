"""Where diffusers' transformers attend: which modules are which blocks, and how their tokens lie."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry
from diffusers.models.attention_processor import JointAttnProcessor2_0
from diffusers.models.transformers.transformer_flux import FluxAttnProcessor
from diffusers.models.transformers.transformer_qwenimage import QwenDoubleStreamAttnProcessor2_0
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import nn

from ...attention.site import Site
from .attention import Describe, check_fused

Kind = Literal["self", "cross", "joint"]
Grid = tuple[int, int, int]


@dataclass(frozen=True)
class Attention:
    """The attention of one family: for a pattern of modules' names what their blocks are called, and of which kind they are.

    `processor` is the one that runs on the fused kernel. In joint attention the text's tokens come first unless
    `image_first`.
    """

    modules: Mapping[str, tuple[str, Kind]]
    processor: type
    image_first: bool = False


SD3 = Attention(
    {r"transformer_blocks\.(\d+)\.attn": ("double", "joint"), r"transformer_blocks\.(\d+)\.attn2": ("double", "self")},
    JointAttnProcessor2_0,
    image_first=True,
)
FLUX = Attention(
    {
        r"transformer_blocks\.(\d+)\.attn": ("double", "joint"),
        r"single_transformer_blocks\.(\d+)\.attn": ("single", "joint"),
    },
    FluxAttnProcessor,
)
QWEN = Attention({r"transformer_blocks\.(\d+)\.attn": ("double", "joint")}, QwenDoubleStreamAttnProcessor2_0)
WAN = Attention(
    {r"blocks\.(\d+)\.attn1": ("double", "self"), r"blocks\.(\d+)\.attn2": ("double", "cross")}, WanAttnProcessor
)


def transformer_attention(
    network: nn.Module, attention: Attention, grid: Grid, text: int, sigma: float
) -> dict[nn.Module, Describe]:
    """The attention modules of a transformer whose image has a `grid` of tokens and whose prompt has `text`, and how their calls are described.

    Calls of other numbers of tokens, as Wan's of the text to a first picture, are none of an edit's. Raises ValueError
    if the attention does not run on PyTorch's fused kernel.
    """
    found: dict[nn.Module, Describe] = {}
    for name, module in network.named_modules():
        for pattern, (block, kind) in attention.modules.items():
            if match := re.fullmatch(pattern, name):
                site = Site(f"{block}.{match[1]}", kind, "cond", sigma, grid, _text(attention, kind, grid, text))
                found[module] = partial(_described, site)
    check_fused(found, (attention.processor,))
    _check_backend(found)
    return found


def transformer_blocks(network: nn.Module, attention: Attention) -> list[str]:
    """The blocks in which image tokens attend to each other, in the order in which they run."""
    found = []
    for name, _ in network.named_modules():
        for pattern, (block, kind) in attention.modules.items():
            if (match := re.fullmatch(pattern, name)) and kind != "cross":
                found.append(f"{block}.{match[1]}")
    return list(dict.fromkeys(found))


def _text(attention: Attention, kind: Kind, grid: Grid, text: int) -> range:
    first = grid[0] * grid[1] * grid[2] if kind == "joint" and attention.image_first else 0
    return range(0) if kind == "self" else range(first, first + text)


def _described(site: Site, given_text: bool, query_tokens: int, key_tokens: int) -> Site | None:
    both = site.tokens + len(site.text)
    counts = {"self": (site.tokens, site.tokens), "cross": (site.tokens, len(site.text)), "joint": (both, both)}
    return site if (query_tokens, key_tokens) == counts[site.kind] else None


def _check_backend(modules: Mapping[nn.Module, Any]) -> None:
    default = _AttentionBackendRegistry.get_active_backend()[0]
    chosen = {getattr(m.processor, "_attention_backend", None) or default for m in modules}
    if others := {AttentionBackendName(one).value for one in chosen} - {"native"}:
        raise ValueError(
            f"Attention can be edited only on PyTorch's own kernel, but this network runs on {', '.join(sorted(others))}. "
            "Call its set_attention_backend('native') first."
        )
