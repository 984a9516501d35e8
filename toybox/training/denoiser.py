"""Trains UNet and text encoder together: v-prediction on precomputed latents, captions in many wordings."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from ..models import build_text_encoder, build_unet
from ..text import vocabulary, write_tokenizer
from ..weights import TOKENIZER, write_weights
from .denoising import Batch, batch_of, captioned_latents, train
from .muon import optimizers

STEPS = 1650


def train_denoiser(folder: Path, *, steps: int = STEPS, device: str = "cpu") -> None:
    """Train from scratch or from the folder's checkpoint; export the averaged weights now and then, and at the end."""
    torch.manual_seed(0)
    write_tokenizer(TOKENIZER)
    data = captioned_latents(folder, device)
    unet, text = build_unet().to(device), build_text_encoder(len(vocabulary())).to(device)
    models = nn.ModuleDict({"unet": unet, "text": text})
    rates = optimizers(models, matrix_lr=0.02, lr=2e-3, plain=("conv_in", "conv_out", "embedding"))
    train(
        models,
        lambda step: _loss(models, batch_of(data, step), device),
        rates,
        _export,
        checkpoint=folder / "denoiser.pt",
        steps=steps,
    )


def _export(average: nn.ModuleDict) -> None:
    write_weights(average["unet"], "unet")
    write_weights(average["text"], "text_encoder")


def _loss(models: nn.ModuleDict, batch: Batch, device: str) -> Tensor:
    x, t, truth = batch.noisy(device)
    with torch.autocast(device.split(":")[0], torch.bfloat16):
        context = models["text"](batch.ids.to(device)).last_hidden_state
        v = models["unet"](x, t, context).sample
    return mse_loss(v.float(), truth)
