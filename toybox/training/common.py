"""What all trainings share: pictures in memory, falling learning rates, checkpoints, logs and sample sheets."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..world.draw import render
from ..world.scene import Scene, training_scene


def drawn(scenes: Sequence[Scene], *, batch: int = 50) -> Tensor:
    """Draw many scenes, to keep in memory: uint8 [n, 3, 128, 128]."""
    parts = [render(scenes[start : start + batch]) for start in range(0, len(scenes), batch)]
    return torch.cat([(part * 255).round().byte() for part in parts])


def training_scenes(count: int, *, first: int = 0) -> list[Scene]:
    """Return `count` training scenes from a seed on."""
    return [training_scene(seed) for seed in range(first, first + count)]


def as_input(pictures: Tensor) -> Tensor:
    """Turn uint8 pictures into the range [-1, 1] that the autoencoder takes."""
    return pictures.float() / 127.5 - 1


def set_rates(optimizers: Sequence[torch.optim.Optimizer], step: int, steps: int, *, warmup: int = 50) -> None:
    """Set the learning rates of a step: a linear rise, then a linear fall to a fiftieth."""
    factor = min(1.0, (step + 1) / warmup) * max(0.02, 1 - step / steps)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group.setdefault("peak", group["lr"])
            group["lr"] = group["peak"] * factor


def descend(model: nn.Module, loss: Tensor, optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Take a step down the loss, its gradients no longer than 1."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()


def save_checkpoint(path: Path, modules: dict[str, nn.Module], optimizers: Sequence, step: int) -> None:
    """Write models, optimizers and step to one file; an interrupted write leaves the old file whole."""
    state = {
        "step": step,
        "modules": {name: module.state_dict() for name, module in modules.items()},
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


def load_checkpoint(path: Path, modules: dict[str, nn.Module], optimizers: Sequence) -> int:
    """Read a checkpoint into models and optimizers; return the step to go on from (0 without a checkpoint)."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    for name, module in modules.items():
        module.load_state_dict(state["modules"][name])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return state["step"]


def log(path: Path, **values: float) -> None:
    """Print a line of figures and append it to a log file."""
    line = " ".join(f"{name}={value:.4g}" for name, value in values.items())
    print(line, flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(line + "\n")


def write_sheet(path: Path | None, rows: Sequence[Tensor]) -> None:
    """Write rows of pictures ([n, 3, h, w] in [0, 1] each) as one PNG, if it has a place."""
    from PIL import Image

    if path is None:
        return
    sheet = torch.cat([torch.cat(list(row.detach().float().cpu().clamp(0, 1)), dim=2) for row in rows], dim=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((sheet * 255).round().byte().permute(1, 2, 0).numpy()).save(path)


def print_figures(figures: Mapping[str, float]) -> None:
    """Print a line for each figure."""
    for name, value in figures.items():
        print(f"{name:<62} {value:8.3f}", flush=True)


def mean_psnr_of(mse: float, *, span: float = 2.0) -> float:
    """Return the PSNR in dB of a mean squared error between pictures of the given span."""
    return 10 * math.log10(span**2 / max(mse, 1e-10))
