"""The attention calls of ComfyUI's transformers: an attention override for each block, in a copy of the model options.

ComfyUI asks an override about every attention call, but does not say in which block it is. So the blocks are wrapped,
and each gets an override of its own. What other packs put there lies below.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from math import prod
from typing import Any, TypeAlias

from comfy.ldm.flux.model import Flux
from comfy.ldm.modules.diffusionmodules.mmdit import OpenAISignatureMMDITWrapper as StableDiffusion3
from comfy.ldm.qwen_image.model import QwenImageTransformer2DModel as QwenImage
from comfy.ldm.wan.model import CameraWanModel, VaceWanModel, WanI2VCrossAttention, WanModel
from einops import rearrange
from torch import Tensor, nn

from ...attention.edited_call import Patched
from ...attention.site import Attend
from ...shapes import Heads, Latent
from .sites import Edits, Extra, Kind

Key: TypeAlias = tuple[str, int]
"""A block as ComfyUI's replace patches name it."""
Calls: TypeAlias = tuple[Kind | None, ...]
"""The attention calls of a block in their order; None for one that no edit applies to."""

NAMES = {"double_block": "double", "single_block": "single"}
OVERRIDE = "optimized_attention_override"


def _flux(network: Any) -> dict[Key, Calls]:
    counts = {"double_block": len(network.double_blocks), "single_block": len(network.single_blocks)}
    return {(kind, number): ("joint",) for kind, count in counts.items() for number in range(count)}


def _sd3(network: Any) -> dict[Key, Calls]:
    twice = (block.x_block.x_block_self_attn for block in network.joint_blocks)
    return {("double_block", n): ("joint", "self") if more else ("joint",) for n, more in enumerate(twice)}


def _qwen(network: Any) -> dict[Key, Calls]:
    return {("double_block", number): ("joint",) for number in range(len(network.transformer_blocks))}


def _wan(network: Any) -> dict[Key, Calls]:
    """Image to video has a second cross-attention, to the picture it starts from: it has no words, so no edit applies."""
    pictures = (isinstance(block.cross_attn, WanI2VCrossAttention) for block in network.blocks)
    return {
        ("double_block", n): ("self", None, "cross") if more else ("self", "cross") for n, more in enumerate(pictures)
    }


FAMILIES: Mapping[type, Callable[[Any], dict[Key, Calls]]] = {
    Flux: _flux,
    StableDiffusion3: _sd3,
    QwenImage: _qwen,
    WanModel: _wan,
    CameraWanModel: _wan,
    VaceWanModel: _wan,
}
"""How the blocks of each class of network attend; what else derives from one may attend otherwise, so it is not meant."""


def dit_blocks(network: nn.Module) -> dict[Key, Calls]:
    """The blocks of a transformer whose attention an edit can reach; none in other networks."""
    read = FAMILIES.get(type(network))
    return read(network) if read else {}


def with_dit_edits(
    transformer: Extra, blocks: dict[Key, Calls], patch: int | tuple[int, ...], edits: Edits, x: Latent, text: int
) -> Extra:
    """A copy of the transformer options of a call with `x` in which every attention of `blocks` is edited.

    `patch` is the size of a token, `text` the number of the prompts' tokens.
    """
    call = _Call(edits, transformer, grid_of(x, patch), text, len(x))
    replaced = transformer.get("patches_replace", {})
    before = replaced.get("dit", {})
    patches = {key: partial(call.block, key, calls, before.get(key)) for key, calls in blocks.items()}
    return transformer | {"patches_replace": replaced | {"dit": before | patches}}


def grid_of(x: Latent, patch: int | tuple[int, ...]) -> tuple[int, int, int]:
    """Frames, height and width in tokens: the network fills up what its patches do not divide."""
    sizes = (x.shape[2] if x.ndim == 5 else 1, *x.shape[-2:])
    steps = (1, patch, patch) if isinstance(patch, int) else patch
    frames, height, width = (-(-size // step) for size, step in zip(sizes, steps, strict=True))
    return frames, height, width


@dataclass(frozen=True)
class _Call:
    """One call of the network: what ComfyUI tells of its rows, the grid of its picture, its numbers of text tokens and rows."""

    edits: Edits
    extra: Extra
    grid: tuple[int, int, int]
    text: int
    rows: int

    def block(
        self, key: Key, calls: Calls, before: Callable[..., Any] | None, args: dict[str, Any], more: dict[str, Any]
    ) -> Any:
        """ComfyUI's replace patch of a block: the patch that was there runs, and the block that it runs is edited."""
        original = partial(self._edited, key, calls, more["original_block"])
        return original(args) if before is None else before(args, more | {"original_block": original})

    def _edited(self, key: Key, calls: Calls, original: Callable[..., Any], args: dict[str, Any]) -> Any:
        options = args.get("transformer_options") or self.extra
        name = f"{NAMES[key[0]]}.{key[1]}"
        override = partial(self._attention, name, cycle(calls), options.get(OVERRIDE))
        return original(args | {"transformer_options": options | {OVERRIDE: override}})

    def _attention(
        self,
        block: str,
        calls: Iterator[Kind | None],
        before: Callable[..., Tensor] | None,
        kernel: Callable[..., Tensor],
        q: Tensor,
        k: Tensor,
        v: Tensor,
        heads: int,
        mask: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """ComfyUI's override of one attention call: its rows are told apart by guidance branch and prompt, and edited."""
        extra = self.extra | options.pop("transformer_options")
        extra = {name: extra[name] for name in extra if name != OVERRIDE}
        if before is not None:
            kernel, extra = partial(before, kernel), extra | {OVERRIDE: before}
        kind, heads_first = next(calls), options.get("skip_reshape", False)
        tokens = tuple(t.shape[2 if heads_first else 1] for t in (q, k))
        if kind is None or tokens != self._tokens(kind):  # more than the picture and its text, so no edit applies
            return kernel(q, k, v, heads, mask=mask, transformer_options=extra, **options)
        text = range(0 if kind == "self" else self.text)
        sites = self.edits.sites(extra, block, kind, self.grid, text, told=len(q) == self.rows)
        if heads_first:  # several heads of queries may share one of keys
            k, v = (t.repeat_interleave(heads // t.shape[1], 1) if t.shape[1] < heads else t for t in (k, v))
        else:  # Stable Diffusion 3 has the heads of its values, and only those, in a dimension of their own
            q, k, v = (rearrange(t.flatten(2), "b n (h d) -> b h n d", h=heads) for t in (q, k, v))
        run = self.edits.together if before is None and mask is None else self.edits.apart
        host = partial(_attend, kernel, heads, mask, options, before is not None)
        out = run(host, extra, (q, k, v), sites)
        return out if options.get("skip_output_reshape") else rearrange(out, "b h n d -> b n (h d)")

    def _tokens(self, kind: Kind) -> tuple[int, int]:
        """How many queries and keys a call has if they are the picture's and the text's."""
        image = prod(self.grid)
        both = self.text + image
        return {"joint": (both, both), "self": (image, image), "cross": (image, self.text)}[kind]


def _attend(
    kernel: Callable[..., Tensor],
    heads: int,
    mask: Tensor | None,
    options: dict[str, Any],
    patched: bool,
    extra: Extra,
    rows: slice,
) -> Attend:
    """The kernel, in the layout in which the network calls it, for these rows of the mask."""
    own = mask[rows] if mask is not None and mask.ndim > 2 and len(mask) > 1 else mask

    def attend(q: Heads, k: Heads, v: Heads) -> Heads:
        _check_mask(own, q.shape[2], k.shape[2])
        if not options.get("skip_reshape"):
            q, k, v = (rearrange(t, "b h n d -> b n (h d)") for t in (q, k, v))
        out = kernel(q, k, v, heads, mask=own, transformer_options=extra, **options)
        return out if options.get("skip_output_reshape") else rearrange(out, "b n (h d) -> b h n d", h=heads)

    return Patched(attend) if patched else attend


def _check_mask(mask: Tensor | None, queries: int, keys: int) -> None:
    if mask is None or (mask.shape[-2] in (1, queries) and mask.shape[-1] in (1, keys)):
        return
    raise ValueError(
        f"The conditioning masks attention ({mask.shape[-2]} x {mask.shape[-1]} tokens), but an attention edit needs {queries} x "
        f"{keys}. Use a conditioning without an attention mask, or another technique."
    )
