"""The toybox's ControlNet: pictures of edges, and a ControlNet of the UNet's own encoder plus small changes.

The file holds the hint encoder and the zero convolutions as they are, and of all other layers only how they differ
from the UNet's: W = W_unet + up down, b = b_unet + diff. Source of the ControlNet: arXiv 2302.05543; of the low rank:
arXiv 2106.09685.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from .models import UNET
from .weights import read_state

HINT_WIDTHS = (16, 32, 64, 96)  # of the hint encoder, from the picture's size to an eighth
RANK = 8
WHOLE = ("controlnet_cond_embedding.", "controlnet_down_blocks.", "controlnet_mid_block.")  # stored as they are

_SMOOTH, _AROUND = 3, 33  # pixels: blur before the gradient; neighbourhood whose contrast is evened out
_FLOOR = 0.008  # gradient that counts as flat
_WEAKEST, _GAIN = 0.5, 0.45  # gradient per mean of its neighbourhood from which an edge shows; how fast it turns white


def edges(pictures: Tensor) -> Tensor:
    """Draw the edges of pictures [n, 3, h, w] in [0, 1], white on black, the same shape.

    Sobel's gradient over all colours, divided by its mean nearby, so that an edge looks the same by day and by night:
    clip(0.45 (g / (mean g + 0.008) - 0.5), 0, 1).

    Raises:
        ValueError: pictures of another shape.
    """
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise ValueError(f"edges are drawn of pictures [n, 3, height, width], got {tuple(pictures.shape)}")
    gradient = _gradient(_mean_around(pictures.float(), _SMOOTH))
    contrast = gradient / (_mean_around(gradient, _AROUND) + _FLOOR)
    return ((contrast - _WEAKEST) * _GAIN).clamp(0, 1).expand(-1, 3, -1, -1).contiguous()


def _gradient(pictures: Tensor) -> Tensor:
    """Sobel's gradient, its length over both directions and all channels: [n, 1, h, w]."""
    near = pad(pictures, (1, 1, 1, 1), mode="replicate")
    across, down = near[..., 2:] - near[..., :-2], near[..., 2:, :] - near[..., :-2, :]
    across = (across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]) / 8
    down = (down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]) / 8
    return (across.square() + down.square()).sum(1, keepdim=True).sqrt()


def _mean_around(pictures: Tensor, width: int) -> Tensor:
    near = pad(pictures, (width // 2,) * 4, mode="replicate")
    return avg_pool2d(avg_pool2d(near, (width, 1), stride=1), (1, width), stride=1)


def build_control():
    """Return an untrained ControlNetModel of the toybox's UNet."""
    from diffusers import ControlNetModel

    sizes = {
        name: value for name, value in UNET.items() if name not in ("sample_size", "out_channels", "up_block_types")
    }
    return ControlNetModel(**sizes, conditioning_embedding_out_channels=HINT_WIDTHS)


def first_changes(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a training begins with: the whole parts of an untrained ControlNet's state, and changes of nothing."""
    changes: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith(WHOLE):
            changes[name] = value.clone()
        elif value.ndim == 1:
            changes[f"{name}.diff"] = torch.zeros_like(value)
        else:
            columns = value[0].numel()
            changes[f"{name}.up"] = value.new_zeros(len(value), RANK)
            changes[f"{name}.down"] = torch.randn(RANK, columns) / columns**0.5
    return changes


def control_state(unet: Mapping[str, Tensor], changes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of a ControlNetModel from the UNet's state and the changes, all under diffusers' names."""
    state = {name: value for name, value in changes.items() if name.startswith(WHOLE)}
    for name, change in changes.items():
        base, _, kind = name.rpartition(".")
        if kind == "diff":
            state[base] = unet[base] + change
        elif kind == "up":
            state[base] = unet[base] + (change @ changes[f"{base}.down"]).reshape(unet[base].shape)
    return state


def read_control_state() -> dict[str, Tensor]:
    """Return the trained ControlNetModel's state, float32. Raises FileNotFoundError without its weights."""
    return control_state(read_state("unet"), read_state("controlnet"))
