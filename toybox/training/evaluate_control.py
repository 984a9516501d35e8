"""Measures the toybox's ControlNet on held-out scenes: python -m latent_inversion.toybox.training.evaluate_control [--scenes 40]."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ...inversion_core.backends.diffusers.control import Control
from ...inversion_core.backends.diffusers.studio import Studio
from ...inversion_core.types import Cond
from ..control import edges
from ..hosts.studios import load_studio
from ..judge import shows
from ..loaders import load_control, load_judge
from ..world.draw import render
from ..world.scene import held_out_scenes
from .common import print_figures, write_sheet
from .evaluate import Figures, draw, errors, guided


def steered(cond: Cond, network: Any, hint: Tensor) -> Cond:
    """Return the prompts with the ControlNet and a hint for each picture, on both branches."""
    control = Control(network, hint)
    return replace(cond, cond=replace(cond.cond, control=control), uncond=replace(cond.uncond, control=control))


def agreement(pictures: Tensor, hint: Tensor) -> Tensor:
    """Return the correlation of each picture's edges with a hint."""
    found, wanted = (part[:, 0].flatten(1) for part in (edges(pictures), hint))
    found, wanted = found - found.mean(1, keepdim=True), wanted - wanted.mean(1, keepdim=True)
    return (found * wanted).sum(1) / (found.norm(dim=1) * wanted.norm(dim=1))


def hint_gain(studio: Studio, network: Any, count: int) -> Figures:
    """Mean squared error of the predicted clean latents, per noise level: no hint, the right one, another picture's."""
    scenes = held_out_scenes(count)
    hint, cond = edges(render(scenes)), guided(studio, scenes, 1.0)
    hints = {"right": steered(cond, network, hint), "another's": steered(cond, network, hint.roll(7, 0))}
    return errors(studio, scenes, {"no": cond} | hints, "hint")


def drawing_figures(studio: Studio, network: Any, count: int, steps: int, sheet: Path | None = None) -> Figures:
    """Pictures drawn from noise at guidance 7.5: attributes right by the judge, and edges like the hint's."""
    scenes, judge, figures = held_out_scenes(count), load_judge(), {}
    pictures, cond = render(scenes), guided(studio, scenes, 7.5)
    hint = edges(pictures)
    rows = [pictures[:8], hint[:8]]
    for name, prompts in {"without": cond, "with": steered(cond, network, hint)}.items():
        images = draw(studio, prompts, count, steps)
        right = [value for one in shows(judge, images, scenes) for value in one.values()]
        figures[f"attributes right {name} hint"] = sum(right) / len(right)
        figures[f"edges like the hint's {name} it"] = agreement(images, hint).mean().item()
        rows.append(images[:8])
    write_sheet(sheet, rows)
    return figures


def main() -> None:
    """Print the figures and write a sample sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--folder", type=Path, default=Path("out/toybox"), help="sample sheet")
    options = parser.parse_args()
    studio, network = load_studio(), load_control()
    sheet = options.folder / "control.png"
    print_figures(hint_gain(studio, network, options.scenes))
    print_figures(drawing_figures(studio, network, options.scenes, options.steps, sheet))


if __name__ == "__main__":
    main()
