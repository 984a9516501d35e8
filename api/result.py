"""What came out of an edit."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from ..inversion_core.methods import Settings
from ..inversion_core.quality.metrics import psnr
from ..inversion_core.quality.verdict import Verdict
from ..inversion_core.shapes import Latent, Picture
from ..pictures.files import Pixels, to_tensor
from ..pictures.sheet import Cell, heat_colours, sheet

FULL = 0.5
"""The change of a colour, in 0..1, that the map of the change shows brightest."""


@dataclass(frozen=True)
class EditResult:
    """An edited image, with what it was made from and what the edit did to it.

    `settings` are the numbers that acted, `prompts` those of source and target, `before`, `pixels` and `back` are levels
    [height, width, 3]: the image, the edit, and the image as the method gives it back unedited (None for methods
    without an inversion). `latent` [1, channels, height, width] is the edit before it was decoded.
    """

    method: str
    settings: Settings
    prompts: tuple[str, str]
    before: Pixels
    pixels: Pixels
    back: Pixels | None
    verdict: Verdict
    latent: Latent

    @property
    def image(self) -> Image.Image:
        """The edited image, in the size of the original."""
        return Image.fromarray(self.pixels)

    @property
    def tensor(self) -> Picture:
        """The edited image as a tensor [1, 3, height, width] in 0..1."""
        return to_tensor(self.pixels)

    @property
    def reconstruction(self) -> Image.Image | None:
        """The image as the method gives it back unedited; None for methods without an inversion."""
        return None if self.back is None else Image.fromarray(self.back)

    @property
    def source_psnr(self) -> float | None:
        """How close the reconstruction is to the image, in dB; None as `reconstruction`."""
        return None if self.back is None else float(psnr(to_tensor(self.back), to_tensor(self.before)))

    @property
    def change(self) -> Image.Image:
        """A map of the change: dark where the image stayed, yellow where a colour changed by half of its range and more."""
        moved = np.abs(self.pixels.astype(np.float32) - self.before).max(-1) / 255
        return Image.fromarray(heat_colours(torch.from_numpy(moved / FULL).clamp(0, 1)).round().astype(np.uint8))

    @property
    def sheet(self) -> Image.Image:
        """Before, after, and the map of the change, side by side with the prompts."""
        cells = [
            Cell("before", self.before),
            Cell("after", self.pixels),
            Cell("what changed", np.asarray(self.change)),
        ]
        lines = [f"from: {self.prompts[0] or 'nothing said'}", f"to: {self.prompts[1]}"]
        return Image.fromarray(sheet(f"Edited by {self.method}", lines, cells, columns=3))

    def __repr__(self) -> str:
        height, width = self.pixels.shape[:2]
        return (
            f"EditResult({self.method}, {width} x {height}, {self.verdict.outcome}, {self.verdict.changed:.0%} changed)"
        )
