"""Reaching the attention calls of ComfyUI's networks, UNets and transformers, in a copy of the model options."""

from typing import Any

from torch import nn

from .comfy_dit import NAMES, dit_blocks, with_dit_edits
from .comfy_sites import Edits
from .comfy_unet import unet_blocks, with_unet_edits


def check_editable(network: nn.Module) -> None:
    """Raises ValueError, saying what works instead, if the attention of `network` is not within an edit's reach."""
    if not dit_blocks(network) and not unet_blocks(network):
        raise ValueError(
            f"Attention edits reach the UNets of Stable Diffusion 1, 2 and XL and the transformers of Stable Diffusion 3, "
            f"Flux, Qwen-Image and Wan; this network, {type(network).__name__}, is none of them. What works "
            "here: an edit without them, with the source anchored (direct) and a mask for the region that may change."
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
    transformer, blocks = options.get("transformer_options", {}), dit_blocks(network)
    if blocks:
        return options | {"transformer_options": with_dit_edits(transformer, blocks, network.patch_size, edits)}
    return options | {"transformer_options": with_unet_edits(transformer, unet_blocks(network), edits)}
