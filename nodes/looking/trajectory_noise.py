"""The noise at the end of a trajectory against white noise: all values as a histogram, and its whiteness by channel."""

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...inversion_core.quality.metrics import Whiteness, whiteness
from ...inversion_core.trajectory import Trajectory
from ...pictures.drawing import BLUE, FAINT, GAP, INK, LINE, ORANGE, PAPER, Box, axes, curve, image_of, write

WIDTH, HEIGHT, BINS, REACH = 1040, 380, 64, 4
NAMED = 32
"""Up to how many channels have their number at the axis."""


def noise_sheet(trajectory: Trajectory) -> Tensor:
    """Histogram and whiteness of one picture's inverted noise, as an IMAGE."""
    figures, channels = whiteness(trajectory), by_channel(trajectory)
    canvas = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(canvas)
    middle, right, bottom = WIDTH // 2, WIDTH - GAP, HEIGHT - GAP - LINE
    histogram(draw, (GAP, GAP, middle - GAP, bottom), trajectory, figures)
    half = (bottom - GAP - 2 * LINE) // 2 + GAP
    stds, pairs = [channel.std for channel in channels], [channel.neighbour_correlation for channel in channels]
    bars(draw, (middle + 3 * GAP, GAP, right, half), stds, 1.0, "standard deviation by channel (ideal: 1)")
    bars(draw, (middle + 3 * GAP, half + 2 * LINE, right, bottom), pairs, 0.0, "neighbour correlation (ideal: 0)")
    return image_of(canvas)


def by_channel(trajectory: Trajectory) -> list[Whiteness]:
    """How white the inverted noise is, channel by channel."""
    ends = (trajectory.xs[0], trajectory.xs[-1])
    sigmas = trajectory.sigmas[[0, -1]]
    return [
        whiteness(Trajectory(trajectory.path, sigmas, tuple(x[:, number : number + 1] for x in ends)))
        for number in range(trajectory.shape[1])
    ]


def histogram(draw: ImageDraw.ImageDraw, box: Box, trajectory: Trajectory, figures: Whiteness) -> None:
    """All values of the noise as bars, and the normal distribution as a curve."""
    figures_text = f"std {figures.std:.3f}, neighbour correlation {figures.neighbour_correlation:+.3f}"
    inside = axes(draw, box, f"inverted noise (bars), white noise (curve): {figures_text}")
    left, _, right, bottom = inside
    against_white(draw, inside, trajectory)
    for value in range(-REACH, REACH + 1):
        place = left + (right - left) * (value + REACH) / (2 * REACH)
        draw.line((place, bottom, place, bottom + 4), fill=FAINT)
        write(draw, (place, bottom + 5), str(value), FAINT, to=0.5)


def against_white(draw: ImageDraw.ImageDraw, inside: Box, trajectory: Trajectory) -> None:
    """How often the noise has each value from -4 to 4 as bars, and the normal distribution as a curve."""
    left, top, right, bottom = inside
    noise = trajectory.path.noise(trajectory.xs[0].double(), trajectory.xs[-1].double(), trajectory.sigmas[0])
    counts = torch.histc(noise.float(), BINS, -REACH, REACH) / noise.numel() * BINS / (2 * REACH)
    fine = torch.linspace(-REACH, REACH, 4 * BINS + 1)
    gauss = (-(fine**2) / 2).exp() / (2 * torch.pi) ** 0.5
    largest = 1.1 * max(float(counts.max()), float(gauss.max()))
    step = (right - left) / BINS
    for number, count in enumerate(counts.tolist()):
        height = (bottom - top) * count / largest
        if height >= 1:
            draw.rectangle(
                (left + number * step + 1, bottom - height, left + (number + 1) * step - 1, bottom), fill=BLUE
            )
    curve(draw, inside, gauss.tolist(), largest, ORANGE)


def bars(draw: ImageDraw.ImageDraw, box: Box, values: Sequence[float], wanted: float, title: str) -> None:
    """A bar from what white noise has to what each channel has."""
    left, top, right, bottom = axes(draw, box, title)
    reach = 1.15 * max(0.25, *(abs(value - wanted) for value in values))
    middle, scale = (top + bottom) / 2, (bottom - top) / 2 / reach
    step = (right - left) / len(values)
    for number, value in enumerate(values):
        end = middle - (value - wanted) * scale
        place = left + (number + 0.5) * step
        wide = min(14.0, 0.4 * step)
        draw.rectangle((place - wide, min(middle, end), place + wide, max(middle, end)), fill=BLUE)
        if len(values) <= NAMED:
            write(draw, (place, bottom + 4), str(number), FAINT, size=11, to=0.5)
    draw.line((left, middle, right, middle), fill=ORANGE, width=2)
    for value, place in ((wanted + reach, top), (wanted, middle), (wanted - reach, bottom)):
        write(draw, (left - 5, place - 7), f"{value:.2g}", INK if value == wanted else FAINT, size=11, to=1)
