"""ControlNets beside a UNet of diffusers: a hint with a prompt, and what the ControlNet adds to the UNet's skips."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ...shapes import Embedding, Latent


@dataclass(frozen=True, eq=False)
class Control:
    """A hint for a ControlNet: the UNet's skips and middle become `h + strength * network(x, t, prompt, hint)`.

    arXiv:2302.05543, sec. 3. `network` is diffusers' ControlNetModel. The hint is as large as the picture, in 0..1, one
    for all pictures or one for each.
    """

    network: Any
    hint: Tensor
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.hint.ndim != 4:
            raise ValueError(f"A hint is an image [rows, channels, height, width]; got {tuple(self.hint.shape)}.")


def batch_of(control: Control | None) -> Hashable:
    """What two prompts must have alike to be rows of one call."""
    if control is None or control.strength == 0:
        return None
    return id(control.network), float(control.strength), tuple(control.hint.shape[1:])


def control_of_rows(controls: Sequence[Control | None], pictures: int) -> Control | None:
    """The control of one call from those of its branches, which are alike, with a hint for each picture of each branch.

    Raises ValueError if a control has neither one hint nor one for each picture.
    """
    first = controls[0]
    if first is None or batch_of(first) is None:
        return None
    hints = [control.hint for control in controls if control is not None]
    for hint in hints:
        if len(hint) not in (1, pictures):
            raise ValueError(f"A control has {len(hint)} hints for {pictures} images. Give one hint, or one per image.")
    return replace(first, hint=torch.cat([hint.expand(pictures, -1, -1, -1) for hint in hints]))


def residuals(
    control: Control | None, x: Latent, timestep: Float[Tensor, ""], embedding: Embedding, added: dict[str, Tensor]
) -> dict[str, Any]:
    """What a UNet is to add, as its arguments: of a call with scaled latents `x` and a hint for each of its rows.

    Raises ValueError if the hint does not fit the ControlNet or the latents.
    """
    if control is None:
        return {}
    _check(control, x, embedding.shape[2])
    down, middle = control.network(
        x.to(control.network.dtype),
        timestep,
        encoder_hidden_states=embedding.to(control.network.dtype),
        controlnet_cond=control.hint.to(x.device, control.network.dtype),
        conditioning_scale=control.strength,
        added_cond_kwargs=added,
        return_dict=False,
    )
    return {
        "down_block_additional_residuals": tuple(residual.to(x.dtype) for residual in down),
        "mid_block_additional_residual": middle.to(x.dtype),
    }


def _check(control: Control, x: Latent, features: int) -> None:
    config = control.network.config
    if (config.in_channels, config.cross_attention_dim) != (x.shape[1], features):
        raise ValueError(
            f"The ControlNet takes latents of {config.in_channels} channels and prompts of {config.cross_attention_dim} "
            f"features, these have {x.shape[1]} and {features}: it belongs to another kind of model."
        )
    times = 2 ** (len(config.conditioning_embedding_out_channels) - 1)
    wanted = (config.conditioning_channels, times * x.shape[-2], times * x.shape[-1])
    if tuple(control.hint.shape[1:]) != wanted:
        raise ValueError(
            f"The hint has {control.hint.shape[1]} channels of {control.hint.shape[-1]} x {control.hint.shape[-2]}; this ControlNet "
            f"takes {wanted[0]} of {wanted[2]} x {wanted[1]}, the size of the image, for these latents. Draw the hint from the image "
            "that was encoded."
        )
