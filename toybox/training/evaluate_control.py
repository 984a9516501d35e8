"""Measures the toybox's ControlNet on held-out scenes: python -m toybox.evaluate_control [--scenes 40]."""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..control import edges
from ..judge import shows
from ..latents import decode, encode
from ..loaders import DiffusersModels, load_control, load_diffusers, load_judge
from ..world.captions import caption
from ..world.draw import render
from ..world.scene import held_out_scenes
from .common import write_sheet
from .sampling import LEVELS, encode_prompts, noised, predict_x0, sample, sigma_of

Figures = dict[str, float]


class Steered:
    """A UNet beside a ControlNet with hints for its rows, called as a UNet is; guidance doubles the rows."""

    def __init__(self, unet: Any, control: Any, hint: Tensor, strength: float = 1.0):
        self.unet, self.control, self.hint, self.strength = unet, control, hint, strength

    def __call__(self, x: Tensor, t: int, context: Tensor) -> Any:
        hint = self.hint.repeat(len(x) // len(self.hint), 1, 1, 1)
        down, middle = self.control(x, t, context, hint, conditioning_scale=self.strength, return_dict=False)
        return self.unet(x, t, context, down_block_additional_residuals=down, mid_block_additional_residual=middle)


def steered(models: DiffusersModels, control: Any, hint: Tensor) -> DiffusersModels:
    """Return the models with the ControlNet beside the UNet."""
    parts = {name: getattr(models, name) for name in ("vae", "text_encoder", "tokenizer", "scheduler")}
    return DiffusersModels(unet=Steered(models.unet, control, hint), **parts)


def agreement(pictures: Tensor, hint: Tensor) -> Tensor:
    """Return the correlation of each picture's edges with a hint."""
    ours, theirs = (part[:, 0].flatten(1) for part in (edges(pictures), hint))
    ours, theirs = ours - ours.mean(1, keepdim=True), theirs - theirs.mean(1, keepdim=True)
    return (ours * theirs).sum(1) / (ours.norm(dim=1) * theirs.norm(dim=1))


@torch.no_grad()
def hint_gain(models: DiffusersModels, control: Any, count: int) -> Figures:
    """Mean squared error of the predicted clean latents, per noise level: no hint, the right one, another picture's."""
    scenes, figures = held_out_scenes(count), {}
    pictures, prompts = render(scenes), encode_prompts(models, [caption(scene) for scene in scenes])
    x0, hint = encode(models.vae, pictures), edges(pictures)
    kinds = {
        "no": models,
        "right": steered(models, control, hint),
        "another's": steered(models, control, hint.roll(7, 0)),
    }
    for level in LEVELS:
        x = noised(x0, torch.randn(x0.shape, generator=torch.Generator().manual_seed(level)), level)
        for name, used in kinds.items():
            error = (predict_x0(used, x, level, prompts) - x0).square().mean().item()
            figures[f"x0 error at sigma {sigma_of(level):.2f}, {name} hint"] = error
    return figures


def drawing_figures(
    models: DiffusersModels, control: Any, count: int, steps: int, sheet: Path | None = None
) -> Figures:
    """Pictures drawn from noise at guidance 7.5: attributes right by the judge, and edges like the hint's."""
    scenes, judge, figures = held_out_scenes(count), load_judge(), {}
    pictures, prompts = render(scenes), encode_prompts(models, [caption(scene) for scene in scenes])
    hint, noise = edges(pictures), torch.randn((count, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    rows = [pictures[:8], hint[:8]]
    for name, used in {"without": models, "with": steered(models, control, hint)}.items():
        images = decode(models.vae, sample(used, noise, prompts, guidance=7.5, steps=steps))
        right = [value for one in shows(judge, images, scenes) for value in one.values()]
        figures[f"attributes right {name} hint"] = sum(right) / len(right)
        figures[f"edges like the hint's {name} it"] = agreement(images, hint).mean().item()
        rows.append(images[:8])
    if sheet:
        write_sheet(sheet, rows)
    return figures


def main() -> None:
    """Print the figures and write a sample sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--folder", type=Path, default=Path("out/toybox"), help="sample sheet")
    options = parser.parse_args()
    models, control = load_diffusers(), load_control()
    sheet = options.folder / "control.png"
    for figures in (
        hint_gain(models, control, options.scenes),
        drawing_figures(models, control, options.scenes, options.steps, sheet),
    ):
        for name, value in figures.items():
            print(f"{name:<62} {value:8.3f}", flush=True)


if __name__ == "__main__":
    main()
