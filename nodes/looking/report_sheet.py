"""The picture of a report: original, reconstruction, edit, difference, and below them the curves."""

import re
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from ...inversion_core.trajectory import Trajectory
from ...pictures.drawing import BLUE, GAP, LINE, PAPER, Box, axes, curve, image_of, wrap, write
from ..kit.checks import rgb
from .report_figures import Figures
from .trajectory_noise import against_white

TILE, PLOT = 384, 220


def sheet(
    original: Tensor, reconstruction: Tensor, edited: Tensor | None, trajectory: Trajectory, figures: Figures, text: str
) -> Tensor:
    """A report of the first picture of the batch, as an IMAGE."""
    tiles = _tiles(original, reconstruction, edited, figures)
    scale = TILE / max(original.shape[1:3])
    width, height = (max(1, round(original.shape[axis] * scale)) for axis in (2, 1))
    inner = len(tiles) * (TILE + GAP) - GAP
    lines = wrap(text, inner)
    canvas = Image.new("RGB", (inner + 2 * GAP, height + PLOT + 4 * GAP + 2 * LINE + LINE * len(lines)), PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (title, tile) in enumerate(tiles):
        left = GAP + number * (TILE + GAP)
        write(draw, (left, GAP), title)
        pixels = Image.fromarray((tile.clamp(0, 1).cpu().numpy() * 255).round().astype(np.uint8))
        canvas.paste(pixels.resize((width, height), Image.Resampling.NEAREST), (left, GAP + LINE))
    top = 2 * GAP + LINE + height
    _plots(draw, (GAP, top, GAP + inner, top + PLOT), trajectory, figures)
    for number, line in enumerate(lines):
        for column, part in zip((GAP, GAP + 160), re.split(r"\s{2,}", line, maxsplit=1), strict=False):
            write(draw, (column, top + PLOT + GAP + number * LINE), part)
    return image_of(canvas)


def curves_page(trajectory: Trajectory, figures: Figures) -> Tensor:
    """The curves of a report alone, as an IMAGE."""
    width, height = 3 * TILE, PLOT + LINE
    canvas = Image.new("RGB", (width + 2 * GAP, height + 2 * GAP), PAPER)
    _plots(ImageDraw.Draw(canvas), (GAP, GAP, GAP + width, GAP + height), trajectory, figures)
    return image_of(canvas)


def _tiles(
    original: Tensor, reconstruction: Tensor, edited: Tensor | None, figures: Figures
) -> list[tuple[str, Tensor]]:
    """The pictures of a sheet with their titles; the difference is of the original and the edit, or else the reconstruction."""
    first, second = rgb(original)[0].float(), rgb(reconstruction)[0].float()
    last = second if edited is None else rgb(edited)[0].float()
    difference = (first - last.to(first)).abs()
    gain = min(10.0, 1 / max(float(difference.max()), 1e-3))
    shown = [("original", first), (f"reconstruction, {figures.psnr:.1f} dB", second)]
    of = "" if edited is None else "of original and edit "
    return [*shown, *([] if edited is None else [("edit", last)]), (f"difference {of}x {gain:.1f}", difference * gain)]


def _plots(draw: ImageDraw.ImageDraw, box: Box, trajectory: Trajectory, figures: Figures) -> None:
    """The drift on the left, the noise on the right."""
    left, top, right, bottom = box
    half = (right - left - GAP) // 2
    drift_plot(draw, (left, top, left + half, bottom), figures.drift)
    noise_plot(draw, (left + half + GAP, top, left + 2 * half + GAP, bottom), trajectory)


def drift_plot(draw: ImageDraw.ImageDraw, box: Box, drift: Sequence[float]) -> None:
    """The drift of the replay from noise (left) to picture (right)."""
    if not drift:
        axes(draw, box, "drift: connect the reconstructed latent of Inversion Edit Sampler")
        return
    largest = max(*drift, 1e-6)
    inside = axes(draw, box, f"drift of the replay, noise to image; top: {largest:.2g}")
    curve(draw, inside, drift, largest * 1.05, BLUE)


def noise_plot(draw: ImageDraw.ImageDraw, box: Box, trajectory: Trajectory) -> None:
    """The histogram of the inverted noise beside a Gaussian's."""
    inside = axes(draw, box, "inverted noise (bars) and white noise (line), -4 to 4")
    against_white(draw, inside, trajectory)
