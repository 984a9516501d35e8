"""Trains UNet and text encoder together: v-prediction on precomputed latents, captions in many wordings."""

import copy
import random
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from .captions import caption
from .latents import encode
from .loaders import load_autoencoder
from .models import build_text_encoder, build_unet, signal_and_noise
from .muon import optimizers
from .scene import Scene
from .text import load_tokenizer, token_ids, vocabulary, write_tokenizer
from .training import drawn, load_checkpoint, log, save_checkpoint, set_rates, training_scenes
from .weights import TOKENIZER, write_weights

STEPS = 1650
SCENES = 9000
BATCH = 64
CAPTIONS = 6  # wordings per scene
DROPOUT = 0.1  # share of empty captions, for guidance
EMA = 0.998
EXPORT_EVERY = 300


def train_denoiser(folder: Path, *, steps: int = STEPS, device: str = "cpu") -> None:
    """Train from scratch or from the folder's checkpoint; export the averaged weights now and then, and at the end."""
    torch.manual_seed(0)
    write_tokenizer(TOKENIZER)
    latents, ids, empty = _data(folder, device)
    unet, text = build_unet().to(device), build_text_encoder(len(vocabulary())).to(device)
    models = nn.ModuleDict({"unet": unet, "text": text})
    average = copy.deepcopy(models).requires_grad_(False)
    rates = optimizers(models, matrix_lr=0.02, lr=2e-3, plain=("conv_in", "conv_out", "embedding"))
    kept = {"models": models, "average": average}
    start, losses = load_checkpoint(folder / "denoiser.pt", kept, rates), []
    for step in range(start, steps):
        set_rates(rates, step, steps, warmup=100)
        loss = _loss(models, *_batch(latents, ids, empty, step), device)
        for rate in rates:
            rate.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(models.parameters(), 1.0)
        for rate in rates:
            rate.step()
        _follow(average, models, min(EMA, (step + 1) / (step + 10)))
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            log(folder / "denoiser.log", step=step + 1, loss=sum(losses[-50:]) / len(losses[-50:]))
        if (step + 1) % EXPORT_EVERY == 0 or step + 1 == steps:
            save_checkpoint(folder / "denoiser.pt", kept, rates, step + 1)
            write_weights(average["unet"], "unet")
            write_weights(average["text"], "text_encoder")


def _data(folder: Path, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return latents [n, 16, 16, 16], token ids [n, CAPTIONS, 32] and the empty caption's ids [32]."""
    path, words = folder / "latents.pt", folder / "captions.pt"
    scenes, tokenizer = training_scenes(SCENES), load_tokenizer(TOKENIZER)
    if not path.exists():
        vae = load_autoencoder().to(device)
        parts = [encode(vae, drawn(scenes[at : at + 250]), fast=True).half().cpu() for at in range(0, SCENES, 250)]
        torch.save(torch.cat(parts), path)
    if not words.exists():
        torch.save(token_ids(tokenizer, _wordings(scenes)).reshape(SCENES, CAPTIONS, -1), words)
    latents, ids = (torch.load(file, weights_only=True) for file in (path, words))
    return latents.float(), ids, token_ids(tokenizer, [""])[0]


def _wordings(scenes: list[Scene]) -> list[str]:
    rng = random.Random(0)
    return [caption(scene, rng) for scene in scenes for _ in range(CAPTIONS)]


def _batch(latents: Tensor, ids: Tensor, empty: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return clean latents, noise, time steps and token ids of a training step; the same for the same step."""
    generator = torch.Generator().manual_seed(step)
    picked = torch.randint(len(latents), (BATCH,), generator=generator)
    words = ids[picked, torch.randint(CAPTIONS, (BATCH,), generator=generator)]
    dropped = torch.rand(BATCH, generator=generator) < DROPOUT
    x0 = latents[picked]
    noise = torch.randn(x0.shape, generator=generator)
    spread = (torch.arange(BATCH) + torch.rand(BATCH, generator=generator)) / BATCH  # stratified time steps
    return x0, noise, (spread * 1000).long().clamp(max=999), torch.where(dropped[:, None], empty, words)


def _loss(models: nn.ModuleDict, x0: Tensor, noise: Tensor, t: Tensor, ids: Tensor, device: str) -> Tensor:
    x0, noise, t, ids = x0.to(device), noise.to(device), t.to(device), ids.to(device)
    alpha, sigma = (part[:, None, None, None].to(device) for part in signal_and_noise(t.cpu()))
    with torch.autocast(device.split(":")[0], torch.bfloat16):
        context = models["text"](ids).last_hidden_state
        v = models["unet"](alpha * x0 + sigma * noise, t, context).sample
    return mse_loss(v.float(), alpha * noise - sigma * x0)


@torch.no_grad()
def _follow(average: nn.Module, models: nn.Module, decay: float) -> None:
    kept, new = list(average.parameters()), list(models.parameters())
    torch._foreach_lerp_(kept, new, 1 - decay)
