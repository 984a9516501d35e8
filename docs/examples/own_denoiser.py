"""Inversion and editing with a denoiser of one's own: the exact one of a Gaussian mixture, without any weights.

A prompt is the place of the mixture's left and right cluster. The edit moves the right one up; points of the left one
stay where they are.
"""

import torch

import latent_inversion as li

SPREAD = 0.3
SOURCE = torch.tensor([[-6.0, 0.0], [6.0, 0.0]])
TARGET = torch.tensor([[-6.0, 0.0], [6.0, 1.5]])


def denoise(x: torch.Tensor, sigma: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
    """E[x0 | x] for x = x0 + sigma noise: the clusters' own estimates, weighted by how likely each cluster is."""
    variance = (SPREAD**2 + sigma**2).to(x)
    away = x[:, None] - means.to(x)
    weights = (-(away**2).sum(-1) / (2 * variance)).softmax(-1)
    return (weights[..., None] * (means.to(x) + SPREAD**2 / variance * away)).sum(1)


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    clusters = torch.arange(8) % 2
    points = SOURCE[clusters] + SPREAD * torch.randn(8, 2, generator=generator)
    sigmas = torch.cat([torch.logspace(0.6, -2, 40), torch.zeros(1)])
    denoiser = li.wrap_denoiser(denoise)
    for method in ("ddim", "EDICT", "FlowEdit"):
        edited = li.edit_latent(denoiser, points, SOURCE, TARGET, sigmas=sigmas, method=method)
        moved = edited - points
        left, right = (moved[clusters == cluster].mean(0).tolist() for cluster in (0, 1))
        print(f"{method:<10} left moved by {left[0]:+.2f}, {left[1]:+.2f}; right by {right[0]:+.2f}, {right[1]:+.2f}")


if __name__ == "__main__":
    main()
