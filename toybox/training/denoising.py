"""What the trainings of both denoisers share: captioned latents, the batches of a step, the loop, averaged weights."""

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..latents import encode
from ..loaders import load_autoencoder
from ..models import signal_and_noise
from ..text import load_tokenizer, token_ids
from ..weights import TOKENIZER
from ..world.captions import caption
from ..world.scene import Scene
from .common import descend, drawn, load_checkpoint, log, save_checkpoint, set_rates, training_scenes

SCENES = 9000
BATCH = 64
CAPTIONS = 6  # wordings per scene
DROPOUT = 0.1  # share of empty captions, for guidance
EMA = 0.998
EXPORT_EVERY = 300


@dataclass(frozen=True)
class CaptionedLatents:
    """Latents [n, 16, 16, 16], the token ids of their captions [n, CAPTIONS, 32], the empty caption's ids [32]."""

    latents: Tensor
    ids: Tensor
    empty: Tensor


class Batch(NamedTuple):
    """Clean latents, noise, stratified numbers in [0, 1) that become time steps, and token ids of a training step."""

    x0: Tensor
    noise: Tensor
    spread: Tensor
    ids: Tensor

    def noisy(self, device: str) -> tuple[Tensor, Tensor, Tensor]:
        """Return the noisy latents, their time steps, and the v to predict, alpha noise - sigma x0."""
        t = (self.spread * 1000).long().clamp(max=999)
        alpha, sigma = (part[:, None, None, None].to(device) for part in signal_and_noise(t))
        x0, noise = self.x0.to(device), self.noise.to(device)
        return alpha * x0 + sigma * noise, t.to(device), alpha * noise - sigma * x0


def captioned_latents(folder: Path, device: str) -> CaptionedLatents:
    """Draw, caption and encode the training scenes, or read them from the folder if that was done before."""
    path, words = folder / "latents.pt", folder / "captions.pt"
    scenes, tokenizer = training_scenes(SCENES), load_tokenizer(TOKENIZER)
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        vae = load_autoencoder().to(device)
        parts = [encode(vae, drawn(scenes[at : at + 250]), fast=True).half().cpu() for at in range(0, SCENES, 250)]
        torch.save(torch.cat(parts), path)
    if not words.exists():
        torch.save(token_ids(tokenizer, _wordings(scenes)).reshape(SCENES, CAPTIONS, -1), words)
    latents, ids = (torch.load(file, weights_only=True) for file in (path, words))
    return CaptionedLatents(latents.float(), ids, token_ids(tokenizer, [""])[0])


def _wordings(scenes: list[Scene]) -> list[str]:
    rng = random.Random(0)
    return [caption(scene, rng) for scene in scenes for _ in range(CAPTIONS)]


def picked_by(data: CaptionedLatents, step: int) -> Tensor:
    """Return which scenes the batch of a training step takes."""
    return _picked(data, torch.Generator().manual_seed(step))


def _picked(data: CaptionedLatents, generator: torch.Generator) -> Tensor:
    return torch.randint(len(data.latents), (BATCH,), generator=generator)


def batch_of(data: CaptionedLatents, step: int) -> Batch:
    """Return the batch of a training step; the same for the same step."""
    generator = torch.Generator().manual_seed(step)
    picked = _picked(data, generator)
    words = data.ids[picked, torch.randint(CAPTIONS, (BATCH,), generator=generator)]
    dropped = torch.rand(BATCH, generator=generator) < DROPOUT
    x0 = data.latents[picked]
    noise = torch.randn(x0.shape, generator=generator)
    spread = (torch.arange(BATCH) + torch.rand(BATCH, generator=generator)) / BATCH
    return Batch(x0, noise, spread, torch.where(dropped[:, None], data.empty, words))


def train(
    models: nn.Module,
    loss_of: Callable[[int], Tensor],
    rates: Sequence[torch.optim.Optimizer],
    export: Callable[[nn.Module], object],
    *,
    checkpoint: Path,
    steps: int,
) -> None:
    """Train from the checkpoint on, if there is one; export the averaged weights now and then, and at the end."""
    average = copy.deepcopy(models).requires_grad_(False)
    kept = {"models": models, "average": average}
    start, losses = load_checkpoint(checkpoint, kept, rates), []
    for step in range(start, steps):
        set_rates(rates, step, steps, warmup=100)
        loss = loss_of(step)
        descend(models, loss, rates)
        losses.append(loss.item())
        _follow(average, models, min(EMA, (step + 1) / (step + 10)))
        if (step + 1) % 50 == 0:
            log(checkpoint.with_suffix(".log"), step=step + 1, loss=sum(losses[-50:]) / len(losses[-50:]))
        if (step + 1) % EXPORT_EVERY == 0 or step + 1 == steps:
            save_checkpoint(checkpoint, kept, rates, step + 1)
            export(average)


@torch.no_grad()
def _follow(average: nn.Module, models: nn.Module, decay: float) -> None:
    kept, new = list(average.parameters()), list(models.parameters())
    torch._foreach_lerp_(kept, new, 1 - decay)
