"""Euler's method on the toybox's rectified flow as its equations stand: the counterpart of `toybox_ddim`."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from latent_inversion.toybox.loaders import FlowModels
from latent_inversion.toybox.text import token_ids


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


def sample(models: FlowModels, x: Tensor, prompts: FlowPrompts, *, guidance: float, steps: int = 50) -> Tensor:
    """Return the clean latents that Euler's method reaches from the noise x (unit variance, sigma 1)."""
    for index in range(steps, 0, -1):
        x = x - predict_velocity(models, x, index / steps, prompts, guidance) / steps
    return x
