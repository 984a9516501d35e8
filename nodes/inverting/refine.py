"""A latent refined against its picture, through ComfyUI's VAE."""

from typing import Any

import comfy.model_management as management
import torch
from torch import Tensor

from ...inversion_core.backends.comfy.gradients import gradients_through, plain
from ...inversion_core.refine import refine
from ..run.progress import counter, timed


def refined(vae: Any, samples: Tensor, pixels: Tensor, steps: int) -> Tensor:
    """The samples after so many refining steps towards the pixels `[batch, height, width, 3]`; cancel ends it at any step.

    Raises ValueError if the VAE's latents are not of pictures.
    """
    if samples.ndim != 4:
        raise ValueError(
            f"Refining works on image latents, but this VAE gives {tuple(samples.shape)}. Set refine_steps to 0."
        )
    memory = 3 * vae.memory_used_decode(samples.shape, vae.vae_dtype)
    management.load_models_gpu([vae.patcher], memory_required=memory)
    network, count = vae.first_stage_model, counter("refine", steps + 1)

    def decode(latent: Tensor) -> Tensor:
        return vae.process_output(network.decode(latent.to(vae.vae_dtype)).float())

    def on_step(index: int, best: Tensor) -> None:
        count(index + 1)

    with timed(), gradients_through(network, []):
        start, goal = plain(samples).to(vae.device).float(), plain(pixels).movedim(-1, 1).to(vae.device)
        best = refine(decode, start, goal, steps=steps, on_step=on_step)
    return best.detach().to(samples.device, torch.float32)
