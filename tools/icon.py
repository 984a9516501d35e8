"""The registry's pictures of the pack, docs/icon.png and docs/banner.png: python tools/icon.py [FOLDER].

A scene of the toybox goes into noise; in the banner it comes out of it as another one.
"""

import dataclasses
import sys
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from latent_inversion.toybox.world import draw
from latent_inversion.toybox.world.scene import Scene

ICON = 400
BANNER = (1680, 720)
GRAIN = 8
"""Pixels to a side of one grain of noise: the size of a latent's cell."""
CAT = Scene(
    animal="cat",
    fur="ginger",
    accessory="glasses",
    accessory_color="blue",
    shirt="yellow",
    pattern="striped",
    place="meadow",
    time="day",
    style="photo",
    cx=0.0,
    cy=-0.02,
    size=1.04,
    tilt=-0.06,
    ear=1.0,
    eye=1.1,
    light=1.02,
    sun=-0.62,
    hills=(0.4, 2.2),
    plants=(-0.78, 0.8),
    fur_tint=(0.0, 0.0, 0.0),
    shirt_tint=(0.0, 0.0, 0.0),
    fold=0.3,
    brush=(0.0, 0.0, 0.0),
)
EDITED = dataclasses.replace(CAT, accessory="hat", accessory_color="red", shirt="purple", time="sunset")


def rendered(scene: Scene, size: int) -> Tensor:
    """A scene `[3, size, size]` in 0..1; the toybox itself draws at one size only."""
    usual, draw.SIZE = draw.SIZE, size
    try:
        return draw.render([scene])[0]
    finally:
        draw.SIZE = usual


def noised(picture: Tensor, sigma: Tensor, seed: int) -> Tensor:
    """`picture` under the noise level of each of its columns, `sigma` `[width]` in 0..1."""
    height, width = picture.shape[-2:]
    cells = (3, -(-height // GRAIN), -(-width // GRAIN))
    grains = torch.randn(cells, generator=torch.Generator().manual_seed(seed))
    grains = grains.repeat_interleave(GRAIN, 1).repeat_interleave(GRAIN, 2)[:, :height, :width]
    kept = (1 - sigma**2).sqrt()
    return (kept * (2 * picture - 1) + sigma * 0.62 * grains).add(1).div(2).clamp(0, 1)


def icon() -> Tensor:
    """The scene, its right side in noise."""
    across = torch.linspace(0, 1, ICON)
    return noised(rendered(CAT, ICON), ((across - 0.42) / 0.5).clamp(0, 1) ** 1.3, seed=1)


def banner() -> Tensor:
    """The scene goes into noise and comes out of it edited."""
    width, height = BANNER
    before, after = rendered(CAT, height), rendered(EDITED, height)
    between = torch.full((3, height, width - 2 * height), 0.5)
    across = torch.linspace(-1, 1, width).abs()
    sigma = ((0.62 - across) / 0.42).clamp(0, 1) ** 1.2
    return noised(torch.cat([before, between, after], dim=2), sigma, seed=2)


def main(folder: Path) -> None:
    for name, picture in (("icon", icon()), ("banner", banner())):
        pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
