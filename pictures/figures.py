"""What the pictures of figures share: colours, letters, axes and curves."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..inversion_core.wording import plain
from .faces import face

GAP, LINE, SIZE, LONGEST = 12, 20, 13, 4000
INK, FAINT, BLUE, ORANGE, PAPER = (30, 30, 34), (150, 150, 156), (40, 110, 190), (220, 120, 30), (250, 250, 248)

Colour = tuple[int, ...]


def image_of(canvas: Image.Image) -> Tensor:
    """The canvas as an IMAGE."""
    return torch.from_numpy(np.asarray(canvas).astype(np.float32) / 255)[None]


def write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    colour: Colour = INK,
    *,
    size: int = SIZE,
    to: float = 0,
) -> None:
    """A line of text at its upper left (`to` 0), its upper middle (0.5) or its upper right (1)."""
    text = plain(text, LONGEST)
    letters = face(size, text)
    draw.text((place[0] - to * letters.getlength(text), place[1]), text, fill=colour, font=letters)


def wrapped(text: str, width: int) -> list[str]:
    """The lines of `text`, broken between words to fit."""
    lines: list[str] = []
    text = plain(text, LONGEST)
    letters = face(SIZE, text)
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if letters.getlength(longer) > width and line:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


Box = tuple[int, int, int, int]


def axes(draw: ImageDraw.ImageDraw, box: Box, title: str) -> Box:
    """A frame and its title; returns the inside."""
    left, top, right, bottom = box
    draw.text((left, top), title, fill=INK, font=face(SIZE, title))
    inside = (left, top + LINE, right, bottom)
    draw.rectangle(inside, outline=FAINT)
    return inside


def curve(
    draw: ImageDraw.ImageDraw, box: Box, values: Sequence[float], top_value: float, colour: tuple[int, ...]
) -> None:
    left, top, right, bottom = box
    step = (right - left) / max(len(values) - 1, 1)
    points = [(left + i * step, bottom - (bottom - top) * min(v / top_value, 1)) for i, v in enumerate(values)]
    draw.line(points, fill=colour, width=2)
