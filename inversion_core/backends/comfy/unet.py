"""The attention calls of ComfyUI's UNets: replace patches in a copy of the model options."""

import re
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import comfy.ldm.modules.attention as host
from einops import rearrange
from torch import Tensor, nn

from ...attention.edited_call import Patched
from ...attention.site import Attend
from ...shapes import Heads
from .sites import Edits, Extra, Kind

Key: TypeAlias = tuple[str, int, int]
"""A transformer of a UNet: the part, the block's number in it, the transformer's number in the block."""
Patch: TypeAlias = Callable[[Tensor, Tensor, Tensor, Extra], Tensor]
"""ComfyUI's replace patch: `(q, k, v, extra_options) -> out`, all `[rows, tokens, heads * dim]`."""

KINDS: dict[str, Kind] = {"attn1": "self", "attn2": "cross"}
BLOCK = re.compile(r"(?:(input|output)_blocks\.(\d+)|(middle)_block)\.\d+\.transformer_blocks\.(\d+)")


def unet_blocks(network: nn.Module) -> list[Key]:
    """The transformers of a UNet; none in other networks."""
    found = (BLOCK.fullmatch(name) for name, _ in network.named_modules())
    return [(m[1] or m[3], int(m[2] or 0), int(m[4])) for m in found if m]


def with_unet_edits(transformer: Extra, keys: list[Key], edits: Edits, rows: int) -> Extra:
    """A copy of the transformer options of a call of `rows` in which every attention is edited, above the patch that was there."""
    replaced = {name: dict(patches) for name, patches in transformer.get("patches_replace", {}).items()}
    for name in KINDS:
        before = replaced.get(name, {})
        patches = {
            key: partial(_attention, edits, rows, name, key, before.get(key, before.get(key[:2]))) for key in keys
        }
        replaced[name] = before | patches
    return transformer | {"patches_replace": replaced}


def _attention(
    edits: Edits, rows: int, name: str, key: Key, before: Patch | None, q: Tensor, k: Tensor, v: Tensor, extra: Extra
) -> Tensor:
    """One attention call of the network: its rows are told apart by guidance branch and prompt, and edited."""
    height, width = extra["activations_shape"][-2:]
    if q.shape[1] != height * width:  # tokens were merged or tiled: there is no grid, so no edit applies
        return _host(before, extra, q, k, v)
    text = range(k.shape[1]) if KINDS[name] == "cross" else range(0)
    block, told = ".".join(map(str, key)), len(q) == rows
    sites = edits.sites(extra, block, KINDS[name], (1, height, width), text, told=told)
    qkv = [rearrange(t, "b n (h d) -> b h n d", h=extra["n_heads"]) for t in (q, k, v)]
    run = edits.together if before is None else edits.apart
    return rearrange(run(partial(_attend, before), extra, qkv, sites), "b h n d -> b n (h d)")


def _attend(before: Patch | None, extra: Extra, rows: slice) -> Attend:
    def attend(q: Heads, k: Heads, v: Heads) -> Heads:
        merged = (rearrange(t, "b h n d -> b n (h d)") for t in (q, k, v))
        return rearrange(_host(before, extra, *merged), "b n (h d) -> b h n d", h=q.shape[1])

    return attend if before is None else Patched(attend)


def _host(before: Patch | None, extra: Extra, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The patch that an edit found in its place, or ComfyUI's own kernel."""
    if before is not None:
        return before(q, k, v, extra)
    return host.optimized_attention(
        q, k, v, extra["n_heads"], attn_precision=extra["attn_precision"], transformer_options=extra
    )
