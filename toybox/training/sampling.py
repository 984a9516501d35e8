"""DDIM for the toybox's own checks: sample, invert, replay. The pack's core does all of this for any model, and better."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..loaders import DiffusersModels
from ..models import signal_and_noise
from ..text import token_ids

METHOD = "DDIM"
LEVELS = (999, 900, 700, 400, 100)  # time steps


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


def noised(x0: Tensor, noise: Tensor, t: int) -> Tensor:
    """Return the noisy latents at a level."""
    alpha, sigma = _levels(t)
    return alpha * x0 + sigma * noise


@torch.no_grad()
def predict_x0(models: DiffusersModels, x: Tensor, t: int, prompts: Prompts) -> Tensor:
    """Return the predicted clean latents of noisy ones at a level, without guidance."""
    alpha, sigma = _levels(t)
    return alpha * x - sigma * models.unet(x, t, prompts.cond).sample


def sigma_of(t: int) -> float:
    """Return the noise per signal by which the figures name a level."""
    alpha, sigma = _levels(t)
    return sigma / alpha


def sample(models: DiffusersModels, x: Tensor, prompts: Prompts, *, guidance: float, steps: int = 50) -> Tensor:
    """Return the clean latents that DDIM reaches from the noise x (unit variance, at the last time step)."""
    times = time_steps(steps).tolist()
    for index in range(steps - 1, -1, -1):
        noise = predict_noise(models, x, times[index], prompts, guidance)
        x = _moved(x, noise, times[index], times[index - 1] if index else None)
    return x


def invert(models: DiffusersModels, x0: Tensor, prompts: Prompts, *, guidance: float = 1.0, steps: int = 50) -> Tensor:
    """Return the noise that DDIM inversion finds for clean latents (each step asks at the noisier time)."""
    x, before = x0, None
    for t in time_steps(steps).tolist():
        x, before = _moved(x, predict_noise(models, x, t, prompts, guidance), before, t), t
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
