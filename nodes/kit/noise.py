"""An inverted noise as ComfyUI's own sampler takes it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class InvertedNoise:
    """A NOISE that starts ComfyUI's own sampler at `x`: what its model adds to the latent image to get there."""

    x: Tensor
    sigma: float
    sampling: Any
    latent_format: Any
    seed: int = 0

    def generate_noise(self, input_latent: dict[str, Any]) -> Tensor:
        samples, sampling = input_latent["samples"].float().cpu(), self.sampling
        if samples.shape != self.x.shape:
            raise ValueError(
                f"The inverted noise is {tuple(self.x.shape)}, but the latent image is {tuple(samples.shape)}. Connect a latent of the same size."
            )
        start = self.latent_format.process_in(samples) if samples.any() else samples
        sigma, largest = torch.tensor([self.sigma]), float(sampling.sigma_max)
        at_top = abs(self.sigma - largest) <= 1e-5 * largest or self.sigma > largest
        base = sampling.noise_scaling(sigma, torch.zeros_like(start), start, at_top)
        unit = sampling.noise_scaling(sigma, torch.ones(1), torch.zeros(1), at_top)
        return (self.x - base) / unit


def seeded(seed: int) -> torch.Generator:
    """A new source of noise, on the CPU."""
    return torch.Generator().manual_seed(seed)
