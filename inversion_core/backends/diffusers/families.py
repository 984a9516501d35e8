"""How diffusers' rectified-flow transformers are asked for their velocity, each kind in its own way."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from ...shapes import Latent, Sigma
from .joint import FLUX, QWEN, SD3, WAN, Attention
from .layout import fused_weights
from .network import Prompt

TIMESTEPS = 1000
"""The level that a network is told is `1000 sigma`, whole or not; Flux multiplies by itself."""


@dataclass(frozen=True)
class Family:
    """How one kind of transformer is asked for its velocity, `noise - x0`.

    `attention` is where it attends, `form` how its latents are written, `channels` and `patch` how many and of what
    size, `features` what its text embeddings have, `needs` what its prompts must carry besides: these read a
    configuration, and so does `most`: how many patches in height and in width it knows places for, if there is a limit.
    `weights` gives those of a network as its own files hold them.
    """

    velocity: Callable[[Any, Latent, Sigma, Prompt], Latent]
    attention: Attention
    form: str
    channels: Callable[[Any], int]
    patch: Callable[[Any], tuple[int, ...]]
    features: Callable[[Any], int]
    needs: Callable[[Any], tuple[str, ...]] = lambda config: ()
    weights: Callable[[Any], Iterable[Tensor]] = lambda network: network.parameters()
    most: Callable[[Any], int | None] = lambda config: None


def _sd3(transformer: Any, x: Latent, sigma: Sigma, prompt: Prompt) -> Latent:
    return transformer(
        hidden_states=x,
        timestep=_told(TIMESTEPS * sigma, x),
        encoder_hidden_states=prompt.embedding,
        pooled_projections=prompt.added["pooled"],
        return_dict=False,
    )[0]


def _flux(transformer: Any, x: Latent, sigma: Sigma, prompt: Prompt) -> Latent:
    tokens, height, width = _packed(x)
    places = torch.cartesian_prod(torch.zeros(1), torch.arange(height).float(), torch.arange(width).float())
    out = transformer(
        hidden_states=tokens,
        timestep=_told(sigma, x),
        guidance=prompt.added["guidance"][:, 0].float() if transformer.config.guidance_embeds else None,
        encoder_hidden_states=prompt.embedding,
        pooled_projections=prompt.added["pooled"],
        img_ids=places.to(x.device),
        txt_ids=torch.zeros(prompt.embedding.shape[1], 3, device=x.device),
        return_dict=False,
    )[0]
    return _unpacked(out, height)


def _qwen(transformer: Any, x: Latent, sigma: Sigma, prompt: Prompt) -> Latent:
    """The prompt has no padding, so that there is none to mask."""
    tokens, height, width = _packed(x)
    out = transformer(
        hidden_states=tokens,
        timestep=_told(sigma, x),
        encoder_hidden_states=prompt.embedding,
        encoder_hidden_states_mask=None,
        img_shapes=[[(1, height, width)]] * len(x),
        return_dict=False,
    )[0]
    return _unpacked(out, height)


def _wan(transformer: Any, x: Latent, sigma: Sigma, prompt: Prompt) -> Latent:
    told = _told(TIMESTEPS * sigma, x)
    return transformer(hidden_states=x, timestep=told, encoder_hidden_states=prompt.embedding, return_dict=False)[0]


def _packed(x: Latent) -> tuple[Tensor, int, int]:
    """The latent as a row of 2 x 2 pieces, and the height and width of the grid that they make."""
    pieces = rearrange(x, "b c (h p) (w q) -> b (h w) (c p q)", p=2, q=2)
    return pieces, x.shape[-2] // 2, x.shape[-1] // 2


def _unpacked(pieces: Tensor, height: int) -> Latent:
    return rearrange(pieces, "b (h w) (c p q) -> b c (h p) (w q)", h=height, p=2, q=2)


def _told(level: Tensor, x: Latent) -> Tensor:
    return level.to(x.device, torch.float32).expand(len(x))


FAMILIES = {
    "SD3Transformer2DModel": Family(
        _sd3,
        SD3,
        "batch, {}, height, width",
        channels=lambda config: config.in_channels,
        patch=lambda config: (config.patch_size, config.patch_size),
        features=lambda config: config.joint_attention_dim,
        needs=lambda config: ("pooled",),
        weights=fused_weights,
        most=lambda config: int(config.pos_embed_max_size),
    ),
    "FluxTransformer2DModel": Family(
        _flux,
        FLUX,
        "batch, {}, height, width",
        channels=lambda config: config.in_channels // 4,
        patch=lambda config: (2, 2),
        features=lambda config: config.joint_attention_dim,
        needs=lambda config: ("pooled", "guidance") if config.guidance_embeds else ("pooled",),
        weights=fused_weights,
    ),
    "QwenImageTransformer2DModel": Family(
        _qwen,
        QWEN,
        "batch, {}, height, width",
        channels=lambda config: config.in_channels // 4,
        patch=lambda config: (2, 2),
        features=lambda config: config.joint_attention_dim,
    ),
    "WanTransformer3DModel": Family(
        _wan,
        WAN,
        "batch, {}, frames, height, width",
        channels=lambda config: config.in_channels,
        patch=lambda config: tuple(config.patch_size),
        features=lambda config: config.text_dim,
    ),
}
"""The transformers that can be asked, by the name of their class in diffusers."""
