"""Trains the autoencoder: L1 + MSE on crops, then on whole pictures, with a light noise on the latents."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from ...inversion_core.quality.metrics import psnr
from ..models import LATENT_CHANNELS, build_autoencoder
from ..world.scene import held_out_scenes
from .common import (
    as_input,
    descend,
    drawn,
    load_checkpoint,
    log,
    mean_psnr_of,
    save_checkpoint,
    set_rates,
    training_scenes,
    write_sheet,
)
from .muon import optimizers

STEPS = 3300
PICTURES = 8000
WHOLE_FROM = 0.8  # share of the steps after which whole pictures are used: crop statistics shift colours
CROP, CROPS, WHOLES = 64, 8, 2
LATENT_NOISE = 0.05
LATENT_WEIGHT = 1e-4


def train_autoencoder(folder: Path, *, steps: int = STEPS, device: str = "cpu") -> nn.Module:
    """Train from scratch or from the checkpoint in the folder; return the (not yet folded) AutoencoderKL."""
    torch.manual_seed(0)
    vae = build_autoencoder().to(device)
    rates = optimizers(vae, matrix_lr=0.02, lr=1e-3, plain=("conv_in", "conv_out", "quant_conv"))
    start = load_checkpoint(folder / "autoencoder.pt", {"vae": vae}, rates)
    pictures, total, count = drawn(training_scenes(PICTURES)), 0.0, 0
    for step in range(start, steps):
        set_rates(rates, step, steps)
        truth = _batch(pictures, step, steps).to(device)
        with torch.autocast(device.split(":")[0], torch.bfloat16):
            image, latent = _reconstruct(vae, truth)
        error = mse_loss(image.float(), truth)
        loss = l1_loss(image.float(), truth) + error + LATENT_WEIGHT * latent.float().square().mean()
        descend(vae, loss, rates)
        total, count = total + error.item(), count + 1
        if (step + 1) % 50 == 0:
            log(folder / "autoencoder.log", step=step + 1, psnr=mean_psnr_of(total / count), std=latent.std().item())
            total, count = 0.0, 0
        if (step + 1) % 300 == 0 or step + 1 == steps:
            save_checkpoint(folder / "autoencoder.pt", {"vae": vae}, rates, step + 1)
            _look(folder, vae, device)
    return vae


def _batch(pictures: Tensor, step: int, steps: int) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    whole = step >= WHOLE_FROM * steps
    picked = pictures[torch.randint(len(pictures), (WHOLES if whole else CROPS,), generator=generator)]
    if not whole:
        top, left = torch.randint(picked.shape[-1] - CROP + 1, (2,), generator=generator).tolist()
        picked = picked[..., top : top + CROP, left : left + CROP]
    return as_input(picked)


def _reconstruct(vae: nn.Module, truth: Tensor) -> tuple[Tensor, Tensor]:
    latent = vae.quant_conv(vae.encoder(truth))[:, :LATENT_CHANNELS]
    noisy = latent + LATENT_NOISE * torch.randn_like(latent)
    return vae.decoder(vae.post_quant_conv(noisy)), latent


@torch.no_grad()
def _look(folder: Path, vae: nn.Module, device: str) -> None:
    """Measure held-out whole pictures and write a sheet: truth above, autoencoded below."""
    truth = as_input(drawn(held_out_scenes(8))).to(device)
    with torch.autocast(device.split(":")[0], torch.bfloat16):
        image = vae.decoder(vae.post_quant_conv(vae.quant_conv(vae.encoder(truth))[:, :LATENT_CHANNELS]))
    truth, image = truth / 2 + 0.5, (image.float() / 2 + 0.5).clamp(0, 1)
    log(folder / "autoencoder.log", held_out_psnr=psnr(image, truth).mean().item())
    write_sheet(folder / "autoencoder.png", [truth, image])
