"""Reaching the attention calls of ComfyUI's UNets: replace patches in a copy of the model options."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import comfy.ldm.modules.attention as host
import torch
from einops import rearrange
from torch import Tensor, nn

from ..attention.site import Attend, EditedCall, Site
from ..shapes import Heads
from ..types import Cond

Key: TypeAlias = tuple[str, int, int]
"""A transformer of a UNet: the part, the block's number in it, the transformer's number in the block."""
Patch: TypeAlias = Callable[[Tensor, Tensor, Tensor, dict[str, Any]], Tensor]
"""ComfyUI's replace patch: `(q, k, v, extra_options) -> out`, all `[rows, tokens, heads * dim]`."""

KINDS: dict[str, Literal["self", "cross"]] = {"attn1": "self", "attn2": "cross"}
BLOCK = re.compile(r"(?:(input|output)_blocks\.(\d+)|(middle)_block)\.\d+\.transformer_blocks\.(\d+)")


def transformers(network: nn.Module) -> list[Key]:
    """The transformers of a UNet; none in other networks."""
    found = (BLOCK.fullmatch(name) for name, _ in network.named_modules())
    return [(m[1] or m[3], int(m[2] or 0), int(m[4])) for m in found if m]


def check_editable(network: nn.Module) -> None:
    """Raises ValueError, saying what works instead, if the attention of `network` is not within an edit's reach."""
    if not transformers(network):
        raise ValueError(
            f"Attention edits (Prompt-to-Prompt, local blend by words) reach the UNets of Stable Diffusion 1, 2 and XL; the "
            f"joint attention of transformers such as this {type(network).__name__} is not supported yet. What works "
            "here: an edit without them, with the source anchored (direct) and a mask for the region that may change."
        )


def with_edits(
    options: dict[str, Any], network: nn.Module, call: EditedCall, cond: Cond, sigma: float
) -> dict[str, Any]:
    """A copy of the model options in which every attention call of the UNet goes through `call`, and what was there lies below it."""
    transformer = dict(options.get("transformer_options", {}))
    replaced = {name: dict(patches) for name, patches in transformer.get("patches_replace", {}).items()}
    parts = _parts(cond)
    for name in KINDS:
        before = replaced.get(name, {})
        patches = {
            key: partial(_attention, call, parts, sigma, name, key, before.get(key, before.get(key[:2])))
            for key in transformers(network)
        }
        replaced[name] = before | patches
    return options | {"transformer_options": transformer | {"patches_replace": replaced}}


def _parts(cond: Cond) -> list[dict[Any, int]]:
    """For the conditional and the unconditional prompt: the number of each entry, by its uuid."""
    prompts = (cond.cond, cond.uncond or [])
    return [{entry["uuid"]: number for number, entry in enumerate(prompt)} for prompt in prompts]


def _attention(
    call: EditedCall,
    parts: list[dict[Any, int]],
    sigma: float,
    name: str,
    key: Key,
    before: Patch | None,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    extra: dict[str, Any],
) -> Tensor:
    """One attention call of the network: its rows are told apart by guidance branch and prompt, and sent through `call`."""
    height, width = extra["activations_shape"][-2:]
    if q.shape[1] != height * width:  # tokens were merged or tiled: there is no grid, so no edit applies
        return _host(before, extra, q, k, v)
    text = range(k.shape[1]) if KINDS[name] == "cross" else range(0)
    sites = [
        Site(
            block=".".join(map(str, key)),
            kind=KINDS[name],
            branch="uncond" if index else "cond",
            sigma=sigma,
            grid=(1, height, width),
            text=text,
            part=parts[min(index, 1)].get(uuid, 0),
        )
        for index, uuid in zip(extra["cond_or_uncond"], extra["uuids"], strict=True)
    ]
    heads = extra["n_heads"]
    q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=heads) for t in (q, k, v))
    if before is not None:
        out = _chunked(call, before, extra, (q, k, v), sites)
    else:
        out = call.attend(_attend(None, extra), q, k, v, sites)
    return rearrange(out, "b h n d -> b n (h d)")


def _chunked(
    call: EditedCall, before: Patch, extra: dict[str, Any], qkv: Sequence[Tensor], sites: Sequence[Site]
) -> Heads:
    """Prompt by prompt, because the patch below reads in `extra` which rows it has."""
    rows = zip(*(t.chunk(len(sites)) for t in qkv), strict=True)
    which = zip(rows, sites, extra["cond_or_uncond"], extra["uuids"], strict=True)
    return torch.cat(
        [
            call.attend(_attend(before, extra | {"cond_or_uncond": [index], "uuids": [number]}), q, k, v, [site])
            for (q, k, v), site, index, number in which
        ]
    )


def _attend(before: Patch | None, extra: dict[str, Any]) -> Attend:
    def attend(q: Heads, k: Heads, v: Heads) -> Heads:
        merged = (rearrange(t, "b h n d -> b n (h d)") for t in (q, k, v))
        return rearrange(_host(before, extra, *merged), "b n (h d) -> b h n d", h=q.shape[1])

    return attend


def _host(before: Patch | None, extra: dict[str, Any], q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The patch that an edit found in its place, or ComfyUI's own kernel."""
    if before is not None:
        return before(q, k, v, extra)
    return host.optimized_attention(
        q, k, v, extra["n_heads"], attn_precision=extra["attn_precision"], transformer_options=extra
    )
