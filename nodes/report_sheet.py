"""The picture of a report: original, reconstruction, difference, and below them the curves."""

import re
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..inversion_core.trajectory import Trajectory
from .drawing import BLUE, GAP, INK, LINE, ORANGE, PAPER, Box, axes, curve, font, wrapped
from .report_figures import Figures

TILE, PLOT = 384, 220


def sheet(original: Tensor, reconstruction: Tensor, trajectory: Trajectory, figures: Figures, text: str) -> Tensor:
    """A report of the first picture of the batch, as an IMAGE."""
    first, second = original[0, ..., :3].float(), reconstruction[0, ..., :3].float()
    difference = (first - second).abs()
    gain = min(10.0, 1 / max(float(difference.max()), 1e-3))
    tiles = [first, second, (difference * gain).clamp(0, 1)]
    titles = ["original", f"reconstruction, {figures.psnr:.1f} dB", f"difference x {gain:.1f}"]
    scale = TILE / max(first.shape[:2])
    width, height = max(1, round(first.shape[1] * scale)), max(1, round(first.shape[0] * scale))
    lines = wrapped(text, 3 * TILE + 2 * GAP)
    canvas = Image.new("RGB", (3 * TILE + 4 * GAP, height + PLOT + 4 * GAP + 2 * LINE + LINE * len(lines)), PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (tile, title) in enumerate(zip(tiles, titles, strict=True)):
        left = GAP + number * (TILE + GAP)
        draw.text((left, GAP), title, fill=INK, font=font())
        pixels = Image.fromarray((tile.cpu().numpy() * 255).round().astype(np.uint8))
        canvas.paste(pixels.resize((width, height), Image.Resampling.NEAREST), (left, GAP + LINE))
    top = 2 * GAP + LINE + height
    half = (3 * TILE + GAP) // 2
    drift_plot(draw, (GAP, top, GAP + half, top + PLOT), figures.drift)
    noise_plot(draw, (2 * GAP + half, top, 2 * GAP + 2 * half, top + PLOT), trajectory)
    for number, line in enumerate(lines):
        for column, part in zip((GAP, GAP + 160), re.split(r"\s{2,}", line, maxsplit=1), strict=False):
            draw.text((column, top + PLOT + GAP + number * LINE), part, fill=INK, font=font())
    return torch.from_numpy(np.asarray(canvas).astype(np.float32) / 255)[None]


def drift_plot(draw: ImageDraw.ImageDraw, box: Box, drift: Sequence[float]) -> None:
    """The drift of the replay from noise (left) to picture (right)."""
    if not drift:
        axes(draw, box, "drift: connect the reconstructed latent of Inversion Edit Sampler")
        return
    largest = max(*drift, 1e-6)
    inside = axes(draw, box, f"drift of the replay, noise to picture; top: {largest:.2g}")
    curve(draw, inside, drift, largest * 1.05, BLUE)


def noise_plot(draw: ImageDraw.ImageDraw, box: Box, trajectory: Trajectory) -> None:
    """The histogram of the inverted noise beside a Gaussian's."""
    inside = axes(draw, box, "inverted noise (bars) and white noise (line), -4 to 4")
    noise = trajectory.path.noise(trajectory.xs[0].double(), trajectory.xs[-1].double(), trajectory.sigmas[0])
    bins = 64
    counts = torch.histc(noise.float(), bins, -4, 4) / noise.numel() * bins / 8
    centres = torch.linspace(-4, 4, bins + 1)[:-1] + 4 / bins
    gauss = (-(centres**2) / 2).exp() / (2 * torch.pi) ** 0.5
    largest = 1.1 * max(float(counts.max()), float(gauss.max()))
    left, top, right, bottom = inside
    step = (right - left) / bins
    for number, count in enumerate(counts.tolist()):
        height = (bottom - top) * count / largest
        draw.rectangle((left + number * step + 1, bottom - height, left + (number + 1) * step - 1, bottom), fill=BLUE)
    curve(draw, inside, gauss.tolist(), largest, ORANGE)
