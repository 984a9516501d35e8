"""Reaching the attention calls of a diffusers network for the length of one call, with nothing left behind."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0, FusedAttnProcessor2_0
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...attention.edited_call import EditedCall
from ...attention.site import Site
from ...shapes import Heads
from .features import decoder_layers, layer_of
from .network import Branch

Describe: TypeAlias = Callable[[bool, int, int], Site | None]
"""`(given_text, query_tokens, key_tokens)` of a call in one module: its site on the conditional branch; None if it is none of an edit's."""


@contextmanager
def reached(modules: Mapping[nn.Module, Describe], call: EditedCall, branches: Sequence[Branch]) -> Iterator[None]:
    """A context in which every call of the fused kernel inside `modules` goes through `call`; `branches` are equal chunks of its rows, in order.

    Hooks tell which module is running and a function mode catches the kernel. Both are gone after the context, also
    after an error.
    """
    mode = _Attention(call, branches)
    with ExitStack() as stack:
        for module, describe in modules.items():
            stack.callback(module.register_forward_pre_hook(partial(mode.enter, describe), with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(mode.leave).remove)
        if modules:
            stack.enter_context(mode)
        yield


def unet_attention(unet: nn.Module, size: Sequence[int], sigma: float) -> dict[nn.Module, Describe]:
    """The attention modules of a UNet on latents of `size`, height and width, and how their calls are described.

    Raises ValueError if an attention block does not use PyTorch's fused kernel; a description raises it if its tokens
    are no halving of `size`.
    """

    def describe(name: str, given_text: bool, query_tokens: int, key_tokens: int) -> Site:
        grid = grid_of(query_tokens, (size[0], size[1]))
        if given_text:
            return Site(name, "cross", "cond", sigma, grid, range(key_tokens), layer=layer_of(name, layers))
        return Site(name, "self", "cond", sigma, grid, range(0), layer=layer_of(name, layers))

    layers = decoder_layers(unet)
    found = {name: module for name, module in unet.named_modules() if isinstance(module, Attention)}
    check_fused(found.values(), (AttnProcessor2_0, FusedAttnProcessor2_0))
    return {module: partial(describe, name) for name, module in found.items()}


def unet_blocks(unet: nn.Module) -> list[str]:
    """The self-attention of a UNet, in the order in which it runs."""
    parts = ("down_blocks", "mid_block", "up_blocks")
    names = [name for name, module in unet.named_modules() if isinstance(module, Attention) and name.endswith("attn1")]
    return sorted(names, key=lambda name: parts.index(name.split(".")[0]))


def check_fused(modules: Iterable[nn.Module], processors: tuple[type, ...]) -> None:
    """Raises ValueError if a module's attention is not run by one of `processors` on PyTorch's fused kernel."""
    others = {type(m.processor) for m in modules} - set(processors)
    if others:
        names = ", ".join(sorted(cls.__name__ for cls in others))
        raise ValueError(
            f"Attention can be edited only where it runs on PyTorch's fused kernel, but this network uses {names}. "
            f"Call its set_attn_processor({processors[0].__name__}()), and unload IP-Adapters and xFormers, first."
        )


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
    """Sends the attention calls made inside the modules that `enter` names through the edits."""

    def __init__(self, call: EditedCall, branches: Sequence[Branch]) -> None:
        super().__init__()
        self._call, self._branches = call, branches
        self._describe: Callable[[int, int], Site | None] | None = None

    def enter(self, describe: Describe, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        text = kwargs.get("encoder_hidden_states", args[1] if len(args) > 1 else None)
        self._describe = partial(describe, text is not None)

    def leave(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self._describe = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention and self._describe is not None:
            return self._attend(self._describe, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _attend(
        self,
        describe: Callable[[int, int], Site | None],
        query: Heads,
        key: Heads,
        value: Heads,
        attn_mask: Tensor | None = None,
        *rest: Any,
        **options: Any,
    ) -> Tensor:
        def attend(q: Heads, k: Heads, v: Heads) -> Heads:
            _check_mask(attn_mask, q, k)
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask, *rest, **options)

        site = describe(query.shape[2], key.shape[2])
        if site is None:
            return attend(query, key, value)
        return self._call.attend(attend, query, key, value, [replace(site, branch=b) for b in self._branches])


def _check_mask(mask: Tensor | None, q: Heads, k: Heads) -> None:
    """Raises ValueError if a mask of the call is not one of an edit's queries and keys too."""
    if mask is None:
        return
    wanted = (*q.shape[:3], k.shape[2])
    padded = (1,) * (4 - mask.ndim) + tuple(mask.shape)
    if any(have not in (1, want) for have, want in zip(padded, wanted, strict=True)):
        raise ValueError(
            f"An edit asks for attention of {wanted[2]} to {wanted[3]} tokens in {wanted[0]} rows, but the network masks "
            f"it with {tuple(mask.shape)}. Give prompts without padding."
        )
