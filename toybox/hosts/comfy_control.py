"""The toybox's ControlNet as ComfyUI's own CONTROL_NET; nothing is added to ComfyUI's global lists."""

from typing import Any

import comfy.cldm.cldm
import comfy.controlnet
import comfy.model_management as management
import comfy.ops
import comfy.utils
import torch
from torch import Tensor

from ..control import HINT_WIDTHS, read_control_state
from .comfy_models import ToyboxConfig, check_complete, unet_config

HINT, LAYERS = "controlnet_cond_embedding.", 2 * len(HINT_WIDTHS) - 2  # between the hint encoder's first and last


def load_comfy_control() -> Any:
    """The toybox's CONTROL_NET, whose hint is `control.edges`. Raises FileNotFoundError if weights are missing."""
    return load_control(read_control_state())


def load_control(state: dict[str, Tensor]) -> Any:
    """The CONTROL_NET, from a state in diffusers' layout. Raises ValueError if weights are missing."""
    config = {
        **ToyboxConfig(unet_config()).unet_config,
        "hint_channels": 3,
        "dtype": torch.float32,
        "device": management.unet_offload_device(),
    }
    network = comfy.cldm.cldm.ControlNet(**config, operations=comfy.ops.disable_weight_init)
    names, weights = control_names(len(network.zero_convs)), network.state_dict()
    check_complete(network, names, state)
    network.load_state_dict({names[name]: widened(value, weights[names[name]]) for name, value in state.items()})
    return comfy.controlnet.ControlNet(network.eval(), load_device=management.get_torch_device())


def control_names(skips: int) -> dict[str, str]:
    """ComfyUI's name of each weight of a ControlNet by diffusers' name; `skips` is the number of its zero convolutions."""
    names = dict(comfy.utils.unet_to_diffusers(unet_config()))
    places = {HINT + "conv_in": "input_hint_block.0", HINT + "conv_out": f"input_hint_block.{2 * LAYERS + 2}"}
    places |= {f"{HINT}blocks.{layer}": f"input_hint_block.{2 * layer + 2}" for layer in range(LAYERS)}
    places |= {f"controlnet_down_blocks.{skip}": f"zero_convs.{skip}.0" for skip in range(skips)}
    places |= {"controlnet_mid_block": "middle_block_out.0"}
    return names | {
        f"{name}.{part}": f"{place}.{part}" for name, place in places.items() for part in ("weight", "bias")
    }


def widened(value: Tensor, like: Tensor) -> Tensor:
    """The weight with zeros up to the size of another: ComfyUI's hint encoder is wider, and its further channels stay silent."""
    wide = torch.zeros(like.shape, dtype=value.dtype)
    wide[tuple(slice(size) for size in value.shape)] = value
    return wide
