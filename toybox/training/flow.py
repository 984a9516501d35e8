"""Trains the DiT: rectified flow on the UNet's precomputed latents, with the UNet's text encoder as it is."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from ..loaders import load_text_encoder
from ..models import build_flow
from ..weights import write_weights
from .denoising import Batch, batch_of, captioned_latents, train
from .muon import optimizers

STEPS = 2400
NOISE_SHIFT = 2.5  # more than an even share of high noise, where the caption decides
PLAIN = ("pos_embed", "context_embedder", "time_text_embed", "norm", "proj_out")  # ends and modulations: AdamW


def train_flow(folder: Path, *, steps: int = STEPS, device: str = "cpu") -> None:
    """Train from scratch or from the folder's checkpoint; export the averaged weights now and then, and at the end."""
    torch.manual_seed(0)
    data, text = captioned_latents(folder, device), load_text_encoder().to(device)
    transformer = build_flow().to(device)
    start_quiet(transformer)
    rates = optimizers(transformer, matrix_lr=0.02, lr=2e-3, plain=PLAIN)
    train(
        transformer,
        lambda step: flow_loss(transformer, text, batch_of(data, step), device),
        rates,
        lambda average: write_weights(average, "transformer"),
        checkpoint=folder / "flow.pt",
        steps=steps,
    )


@torch.no_grad()
def start_quiet(transformer: nn.Module) -> None:
    """Let every block begin as the identity and the output as zero (adaLN-Zero, arXiv 2212.09748)."""
    for name, parameter in transformer.named_parameters():
        if ("norm" in name and ".linear." in name) or name.startswith("proj_out"):
            parameter.zero_()


def noise_levels(spread: Tensor) -> Tensor:
    """Turn numbers spread evenly over [0, 1) into sigmas, the share of noise, with more of them near 1."""
    return NOISE_SHIFT * spread / (1 + (NOISE_SHIFT - 1) * spread)


def flow_loss(transformer: nn.Module, text: nn.Module, batch: Batch, device: str) -> Tensor:
    """Return the squared error of the predicted velocity noise - x0 at x = (1 - sigma) x0 + sigma noise."""
    x0, noise = batch.x0.to(device), batch.noise.to(device)
    sigma = noise_levels(batch.spread).to(device)
    share = sigma[:, None, None, None]
    with torch.no_grad():
        words = text(batch.ids.to(device))
    with torch.autocast(device.split(":")[0], torch.bfloat16):
        velocity = transformer(
            hidden_states=(1 - share) * x0 + share * noise,
            encoder_hidden_states=words.last_hidden_state,
            pooled_projections=words.pooler_output,
            timestep=sigma * 1000,
        ).sample
    return mse_loss(velocity.float(), noise - x0)
