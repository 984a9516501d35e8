"""Trains the judge on renders, blurred and noisy renders, and autoencoded renders. It never meets the denoiser."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate

from .edits import visible_attributes
from .judge import shows
from .latents import decode, encode
from .loaders import load_autoencoder
from .models import Judge
from .scene import ATTRIBUTES, Scene, held_out_scenes
from .training import as_input, drawn, load_checkpoint, log, save_checkpoint, set_rates, training_scenes
from .weights import write_weights

STEPS = 1000
SCENES = 8000
AUTOENCODED = 1000  # of the scenes, also as the autoencoder shows them
BATCH = 64
FIRST_SEED = 100_000  # not the scenes of the other models
HIDDEN = -1  # label of an attribute that the picture does not show


def train_judge(folder: Path, *, steps: int = STEPS, device: str = "cpu") -> Judge:
    """Train from scratch or from the folder's checkpoint; write the weights and log held-out accuracy."""
    torch.manual_seed(0)
    judge = Judge().to(device)
    rates = [torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=1e-3)]
    start = load_checkpoint(folder / "judge.pt", {"judge": judge}, rates)
    pictures, labels = _data(device)
    for step in range(start, steps):
        set_rates(rates, step, steps)
        generator = torch.Generator().manual_seed(step)
        picked = torch.randint(len(pictures), (BATCH,), generator=generator)
        images = _worn(as_input(pictures[picked]) / 2 + 0.5, generator)
        with torch.autocast(device.split(":")[0], torch.bfloat16):
            logits = judge(images.to(device))
        target = labels[picked].to(device)
        loss = torch.stack([
            cross_entropy(logits[name].float(), target[:, index], ignore_index=HIDDEN)
            for index, name in enumerate(ATTRIBUTES)
        ]).sum()  # fmt: skip
        rates[0].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
        rates[0].step()
        if (step + 1) % 100 == 0:
            log(folder / "judge.log", step=step + 1, loss=loss.item())
    save_checkpoint(folder / "judge.pt", {"judge": judge}, rates, steps)
    write_weights(judge, "judge")
    scenes = held_out_scenes(300)
    log(folder / "judge.log", **accuracy(judge, as_input(drawn(scenes)) / 2 + 0.5, scenes))
    return judge


def accuracy(judge: Judge, images: Tensor, scenes: Sequence[Scene]) -> dict[str, float]:
    """Return the share of right readings of each attribute, where it is visible."""
    shown = shows(judge, images, scenes)
    answers = {name: [one[name] for one in shown if name in one] for name in ATTRIBUTES}
    return {name: sum(values) / max(1, len(values)) for name, values in answers.items()}


def _data(device: str) -> tuple[Tensor, Tensor]:
    """Return uint8 pictures and their labels [n, attributes]."""
    scenes = training_scenes(SCENES, first=FIRST_SEED)
    pictures = drawn(scenes)
    vae = load_autoencoder().to(device)
    seen = decode(vae, encode(vae, pictures[:AUTOENCODED], fast=True), fast=True)
    pictures = torch.cat([pictures, (seen * 255).round().byte().cpu()])
    labels = torch.tensor([_label(scene) for scene in [*scenes, *scenes[:AUTOENCODED]]])
    return pictures, labels


def _label(scene: Scene) -> list[int]:
    visible = visible_attributes(scene)
    return [values.index(getattr(scene, name)) if name in visible else HIDDEN for name, values in ATTRIBUTES.items()]


def _worn(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blur a third of the pictures, make a third coarse, then add noise and a change of contrast to all."""
    kind = torch.randint(3, (len(images), 1, 1, 1), generator=generator)
    blurred = avg_pool2d(images, 5, stride=1, padding=2, count_include_pad=False)
    coarse = interpolate(avg_pool2d(images, 4), scale_factor=4, mode="bilinear")
    images = torch.where(kind == 0, images, torch.where(kind == 1, blurred, coarse))
    contrast = 0.94 + 0.12 * torch.rand((len(images), 1, 1, 1), generator=generator)
    return (images * contrast + 0.03 * torch.randn(images.shape, generator=generator)).clamp(0, 1)
