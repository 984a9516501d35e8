"""Euler's method for the toybox's own checks of the rectified flow: the counterpart of `sampling`, name for name."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..loaders import FlowModels
from ..text import token_ids

METHOD = "Euler"
LEVELS = (1000, 980, 936, 900, 750, 500, 250)  # time steps: 1000 sigma; 936 has the noise of the UNet at 999


@dataclass(frozen=True)
class FlowPrompts:
    """Encoded captions and the encoded empty caption: hidden states [n, 32, 128] and pooled states [n, 128]."""

    cond: Tensor
    uncond: Tensor
    pooled: Tensor
    pooled_uncond: Tensor


@torch.no_grad()
def encode_prompts(models: FlowModels, captions: Sequence[str]) -> FlowPrompts:
    """Encode captions, one per picture."""
    words = models.text_encoder(token_ids(models.tokenizer, [*captions, ""]))
    states, pooled = words.last_hidden_state, words.pooler_output
    return FlowPrompts(states[:-1], states[-1:].expand_as(states[:-1]), pooled[:-1], pooled[-1:].expand_as(pooled[:-1]))


@torch.no_grad()
def predict_velocity(models: FlowModels, x: Tensor, sigma: float, prompts: FlowPrompts, guidance: float = 1) -> Tensor:
    """Return the guided velocity noise - x0 at x = (1 - sigma) x0 + sigma noise."""
    if guidance == 1:
        return _velocity(models, x, sigma, prompts.cond, prompts.pooled)
    states, pooled = torch.cat([prompts.uncond, prompts.cond]), torch.cat([prompts.pooled_uncond, prompts.pooled])
    uncond, cond = _velocity(models, torch.cat([x, x]), sigma, states, pooled).chunk(2)
    return uncond + guidance * (cond - uncond)


def _velocity(models: FlowModels, x: Tensor, sigma: float, states: Tensor, pooled: Tensor) -> Tensor:
    return models.transformer(
        hidden_states=x,
        encoder_hidden_states=states,
        pooled_projections=pooled,
        timestep=torch.full((len(x),), 1000 * sigma),
    ).sample


def noised(x0: Tensor, noise: Tensor, t: int) -> Tensor:
    """Return the noisy latents at a level."""
    return (1 - sigma_of(t)) * x0 + sigma_of(t) * noise


def predict_x0(models: FlowModels, x: Tensor, t: int, prompts: FlowPrompts) -> Tensor:
    """Return the predicted clean latents of noisy ones at a level, without guidance."""
    return x - sigma_of(t) * predict_velocity(models, x, sigma_of(t), prompts)


def sigma_of(t: int) -> float:
    """Return the share of noise by which the figures name a level."""
    return t / 1000


def sample(models: FlowModels, x: Tensor, prompts: FlowPrompts, *, guidance: float, steps: int = 50) -> Tensor:
    """Return the clean latents that Euler's method reaches from the noise x (unit variance, sigma 1)."""
    for index in range(steps, 0, -1):
        x = x - predict_velocity(models, x, index / steps, prompts, guidance) / steps
    return x


def invert(models: FlowModels, x0: Tensor, prompts: FlowPrompts, *, guidance: float = 1.0, steps: int = 50) -> Tensor:
    """Return the noise that Euler's method finds for clean latents (each step asks at the noisier sigma)."""
    x = x0
    for index in range(1, steps + 1):
        x = x + predict_velocity(models, x, index / steps, prompts, guidance) / steps
    return x
