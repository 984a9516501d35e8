"""Trains the judge on renders, blurred and noisy renders, and autoencoded renders. It never meets the denoiser.

A measuring instrument must not guess from what usually goes together, so it also sees the combinations of attributes
that are held out of the denoiser's training; the seeds of held-out scenes it never sees.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, cross_entropy, grid_sample, interpolate

from ..judge import shows
from ..latents import decode, encode
from ..loaders import load_autoencoder
from ..models import Judge
from ..weights import write_weights
from ..world.edits import visible_attributes
from ..world.scene import ATTRIBUTES, Scene, held_out_scenes
from .common import as_input, descend, drawn, load_checkpoint, log, save_checkpoint, set_rates

STEPS = 3300
SCENES = 24000
AUTOENCODED = 2400  # of the scenes, also as the autoencoder shows them
BATCH = 64
FIRST_SEED = 100_000  # away from the scenes of the other models
IMPORTANCE = {"animal": 3.0}  # weights in the loss, other than 1; the animal is the hardest to read
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
        images = _worn(_moved(as_input(pictures[picked]) / 2 + 0.5, generator), generator)
        with torch.autocast(device.split(":")[0], torch.bfloat16):
            logits = judge(images.to(device))
        target = labels[picked].to(device)
        loss = torch.stack([
            IMPORTANCE.get(name, 1.0) * cross_entropy(logits[name].float(), target[:, index], ignore_index=HIDDEN)
            for index, name in enumerate(ATTRIBUTES)
        ]).sum()  # fmt: skip
        descend(judge, loss, rates)
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
    scenes = [Scene.from_seed(FIRST_SEED + index) for index in range(SCENES)]
    pictures = drawn(scenes)
    vae = load_autoencoder().to(device)
    seen = decode(vae, encode(vae, pictures[:AUTOENCODED], fast=True), fast=True)
    pictures = torch.cat([pictures, (seen * 255).round().byte().cpu()])
    labels = torch.tensor([_label(scene) for scene in [*scenes, *scenes[:AUTOENCODED]]])
    return pictures, labels


def _label(scene: Scene) -> list[int]:
    visible = visible_attributes(scene)
    return [values.index(getattr(scene, name)) if name in visible else HIDDEN for name, values in ATTRIBUTES.items()]


def _moved(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the pictures; shift all by up to a tenth and zoom them by up to a tenth, continued at the edges."""
    count = len(images)
    place = 2 * torch.rand((count, 3), generator=generator) - 1
    mirrored = 1 - 2 * torch.randint(2, (count,), generator=generator)
    zoom = 1 + 0.1 * place[:, 0]
    nothing = torch.zeros(count)
    across = torch.stack([mirrored * zoom, nothing, 0.2 * place[:, 1]], -1)
    down = torch.stack([nothing, zoom, 0.2 * place[:, 2]], -1)
    grid = affine_grid(torch.stack([across, down], 1), list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def _worn(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blur a third of the pictures, make a third coarse, then add noise and a change of contrast to all."""
    kind = torch.randint(3, (len(images), 1, 1, 1), generator=generator)
    blurred = avg_pool2d(images, 5, stride=1, padding=2, count_include_pad=False)
    coarse = interpolate(avg_pool2d(images, 4), scale_factor=4, mode="bilinear")
    images = torch.where(kind == 0, images, torch.where(kind == 1, blurred, coarse))
    contrast = 0.94 + 0.12 * torch.rand((len(images), 1, 1, 1), generator=generator)
    return (images * contrast + 0.03 * torch.randn(images.shape, generator=generator)).clamp(0, 1)
