"""Reaching the attention calls of ComfyUI's networks, UNets and transformers, in a copy of the model options."""

from collections.abc import Callable
from functools import partial
from typing import Any

from comfy.patcher_extension import WrappersMP
from torch import Tensor, nn

from ...shapes import Latent
from .dit import NAMES, dit_blocks, with_dit_edits
from .sites import Edits, Extra
from .unet import unet_blocks, with_unet_edits


def check_editable(network: nn.Module) -> None:
    """Raises ValueError, saying what works instead, if the attention of `network` is not within an edit's reach."""
    if not dit_blocks(network) and not unet_blocks(network):
        raise ValueError(
            "Attention edits work on the UNets of Stable Diffusion 1, 2 and XL and on the transformers of Stable Diffusion 3, Flux, "
            f"Qwen-Image and Wan, but this network is {type(network).__name__}. Edit without attention edits: anchor the source "
            "(direct), and give a mask for the region that may change."
        )


def is_unet(network: nn.Module) -> bool:
    """Whether the network is a UNet whose attention can be reached."""
    return bool(unet_blocks(network))


def blocks_of(network: nn.Module) -> list[str]:
    """The blocks in which image tokens attend to each other, by their names in `Site`, in the order in which they run."""
    transformer = [f"{NAMES[kind]}.{number}" for kind, number in dit_blocks(network)]
    return transformer or [".".join(map(str, key)) for key in unet_blocks(network)]


def with_edits(options: dict[str, Any], network: Any, edits: Edits) -> dict[str, Any]:
    """A copy of the model options in which every attention call goes through `edits`, and what was there lies below it."""
    transformer = options.get("transformer_options", {})
    wrappers = transformer.get("wrappers", {})
    ours = {"latent_inversion": [partial(_shown, network, edits)]}
    around = wrappers | {WrappersMP.APPLY_MODEL: wrappers.get(WrappersMP.APPLY_MODEL, {}) | ours}
    return options | {"transformer_options": transformer | {"wrappers": around}}


def _shown(
    network: Any,
    edits: Edits,
    executor: Callable[..., Any],
    x: Latent,
    t: Tensor,
    c_concat: Tensor | None = None,
    c_crossattn: Tensor | None = None,
    control: Any = None,
    transformer_options: Extra | None = None,
    **more: Any,
) -> Any:
    """A call of the network, as the wrapper that sees its input and all patches, also those of guidance for a pass of its own."""
    extra, blocks = transformer_options or {}, dit_blocks(network)
    if blocks:
        text = 0 if c_crossattn is None else c_crossattn.shape[1]
        edited = with_dit_edits(extra, blocks, network.patch_size, edits, x, text)
    else:
        edited = with_unet_edits(extra, unet_blocks(network), edits, len(x))
    return executor(x, t, c_concat, c_crossattn, control, edited, **more)
