"""The prompt that describes a picture best, by the diffusion model's own error (arXiv:2303.16203, arXiv:2303.15233)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ..loops.integrate import working
from ..shapes import Latent, Sigmas
from ..types import Cond, EditableDenoiser

# The papers take hundreds for hard questions; the toybox's styles need no more.
LEVELS = 5
NOISES = 2  # per level


@torch.no_grad()
def prompt_errors(
    denoiser: EditableDenoiser, x0: Latent, sigmas: Sigmas, prompts: Sequence[Cond]
) -> Float[Tensor, "batch prompts"]:
    """The mean of `|noise_predicted - noise|^2` under each prompt, at guidance 1; the smallest error is the likeliest prompt.

    `LEVELS` of the grid `sigmas`, evenly chosen, and the same `NOISES` for all prompts (arXiv:2303.16203, alg. 1 with its
    sec. 3.3 on variance). Noise is drawn on the CPU, with seed 0. Raises ValueError if there is no prompt.
    """
    if not prompts:
        raise ValueError("There is no prompt to choose from.")
    generator, x0 = torch.Generator().manual_seed(0), working(x0, denoiser)
    steps = len(sigmas) - 1
    count = min(LEVELS, steps)
    errors = torch.zeros(len(x0), len(prompts), dtype=torch.float64)
    for sigma in (sigmas[int((place + 0.5) * steps / count)] for place in range(count)):
        for _ in range(NOISES):
            noise = torch.randn(x0.shape, generator=generator, dtype=torch.float32).to(x0)
            x = denoiser.path.add_noise(x0, noise, sigma)
            for number, prompt in enumerate(prompts):
                found = denoiser.path.noise(x, denoiser(x, sigma, prompt.alone()), sigma)
                errors[:, number] += (found - noise).cpu().double().square().flatten(1).mean(1)
    return errors / (count * NOISES)
