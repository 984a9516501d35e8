"""DDIM on the toybox's UNet as its equations stand, with none of the core: what the core is held against."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from latent_inversion.toybox.loaders import DiffusersModels
from latent_inversion.toybox.models import signal_and_noise
from latent_inversion.toybox.text import token_ids


@dataclass(frozen=True)
class Prompts:
    """Encoded captions and the encoded empty caption: [n, 32, 128] each."""

    cond: Tensor
    uncond: Tensor


@torch.no_grad()
def encode_prompts(models: DiffusersModels, captions: Sequence[str]) -> Prompts:
    """Encode captions, one per picture."""
    ids = token_ids(models.tokenizer, [*captions, ""])
    states = models.text_encoder(ids).last_hidden_state
    return Prompts(states[:-1], states[-1:].expand_as(states[:-1]))


def time_steps(steps: int) -> Tensor:
    """Return DDIM's increasing time steps, spaced as 'leading' with offset 1."""
    return torch.arange(steps) * (1000 // steps) + 1


@torch.no_grad()
def predict_noise(models: DiffusersModels, x: Tensor, t: int, prompts: Prompts, guidance: float) -> Tensor:
    """Return the guided noise prediction of a variance-preserving x at a time step."""
    alpha, sigma = (float(part) for part in signal_and_noise(torch.tensor(t)))
    if guidance == 1:
        return alpha * models.unet(x, t, prompts.cond).sample + sigma * x
    context = torch.cat([prompts.uncond, prompts.cond])
    uncond, cond = (alpha * models.unet(torch.cat([x, x]), t, context).sample + sigma * torch.cat([x, x])).chunk(2)
    return uncond + guidance * (cond - uncond)


def sample(models: DiffusersModels, x: Tensor, prompts: Prompts, *, guidance: float, steps: int = 50) -> Tensor:
    """Return the clean latents that DDIM reaches from the noise x (unit variance, at the last time step)."""
    times = time_steps(steps).tolist()
    for index in range(steps - 1, -1, -1):
        noise = predict_noise(models, x, times[index], prompts, guidance)
        x = _moved(x, noise, times[index], times[index - 1] if index else None)
    return x


def _moved(x: Tensor, noise: Tensor, t: int | None, t_next: int | None) -> Tensor:
    """Move a variance-preserving x from one time step to another along its noise; None is the clean end."""
    (alpha, sigma), (alpha_next, sigma_next) = _levels(t), _levels(t_next)
    return alpha_next * (x - sigma * noise) / alpha + sigma_next * noise


def _levels(t: int | None) -> tuple[float, float]:
    if t is None:
        return 1.0, 0.0
    alpha, sigma = signal_and_noise(torch.tensor(t))
    return float(alpha), float(sigma)
