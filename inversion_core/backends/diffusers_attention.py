"""Reaching the attention calls of a diffusers UNet for the length of one call, with nothing left behind."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Literal, TypeAlias

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0, FusedAttnProcessor2_0
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..attention.site import EditedCall, Site
from ..shapes import Heads
from .diffusers_network import Branch

Place: TypeAlias = tuple[str, Literal["self", "cross"]]


@contextmanager
def reached(
    unet: nn.Module, call: EditedCall, size: Sequence[int], sigma: float, branches: Sequence[Branch]
) -> Iterator[None]:
    """A context in which every attention call of `unet` goes through `call`; `branches` are equal chunks of its rows, in order.

    Hooks name the block that is running and a function mode catches the kernel. Both are gone after the context, also
    after an error. Raises ValueError if an attention block does not use PyTorch's fused kernel, or if its tokens are
    no halving of `size`, the latent's height and width.
    """
    mode = _Attention(call, (size[0], size[1]), sigma, branches)
    with ExitStack() as stack:
        for name, module in _attention_modules(unet).items():
            stack.callback(module.register_forward_pre_hook(partial(mode.enter, name), with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(mode.leave).remove)
        stack.enter_context(mode)
        yield


def grid_of(tokens: int, size: tuple[int, int]) -> tuple[int, int, int]:
    """Frames, height and width of `tokens` image tokens: `size` halved, rounding up, until it fits. Raises ValueError if it never does."""
    height, width = size
    while height * width > tokens:
        height, width = -(-height // 2), -(-width // 2)
    if height * width != tokens:
        raise ValueError(
            f"An attention call has {tokens} image tokens, which is no halving of the latent's {size[0]} x {size[1]}. "
            "This network is no UNet of the Stable Diffusion 1, 2 or XL kind, and its attention cannot be edited."
        )
    return 1, height, width


class _Attention(TorchFunctionMode):
    """Sends the attention calls made inside the blocks that `enter` names through the edits."""

    def __init__(self, call: EditedCall, size: tuple[int, int], sigma: float, branches: Sequence[Branch]) -> None:
        super().__init__()
        self._call, self._size, self._sigma, self._branches = call, size, sigma, branches
        self._place: Place | None = None

    def enter(self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        text = kwargs.get("encoder_hidden_states", args[1] if len(args) > 1 else None)
        self._place = (name, "self" if text is None else "cross")

    def leave(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self._place = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention and self._place is not None:
            return self._attend(self._place, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _attend(self, place: Place, query: Heads, key: Heads, value: Heads, *rest: Any, **options: Any) -> Tensor:
        def attend(q: Heads, k: Heads, v: Heads) -> Heads:
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, *rest, **options)

        block, kind = place
        grid = grid_of(query.shape[2], self._size)
        text = range(key.shape[2]) if kind == "cross" else range(0)
        sites = [Site(block, kind, branch, self._sigma, grid, text) for branch in self._branches]
        return self._call.attend(attend, query, key, value, sites)


def _attention_modules(unet: nn.Module) -> dict[str, Attention]:
    found = {name: module for name, module in unet.named_modules() if isinstance(module, Attention)}
    others = {type(m.processor) for m in found.values()} - {AttnProcessor2_0, FusedAttnProcessor2_0}
    if others:
        names = ", ".join(sorted(cls.__name__ for cls in others))
        raise ValueError(
            f"Attention can be edited only where it runs on PyTorch's fused kernel, but this UNet uses {names}. "
            "Call unet.set_attn_processor(AttnProcessor2_0()), and unload IP-Adapters and xFormers, first."
        )
    return found
