"""What all drawn pictures share: letters, lines of text, axes and curves."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..inversion_core.wording import plain
from .faces import Face, face

GAP, LINE, SIZE = 12, 20, 13  # between things, from line to line of a text, and of its letters; in pixels
INK, FAINT, BLUE, ORANGE, PAPER = (30, 30, 34), (150, 150, 156), (40, 110, 190), (220, 120, 30), (250, 250, 248)
LONGEST = 4000  # the most letters of a text that are drawn

Colour = tuple[int, ...]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom."""


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
    """Write a line of text at its upper left (`to` 0), its upper middle (0.5) or its upper right (1)."""
    text = plain(text, LONGEST)
    letters = face(size, text)
    draw.text((place[0] - to * letters.getlength(text), place[1]), text, fill=colour, font=letters)


def wrap(text: str, width: int, size: int = SIZE) -> list[str]:
    """The lines of `text`, broken to be no wider than `width` pixels: between words, and within a word that is wider."""
    text = plain(text, LONGEST)
    letters = face(size, text)
    return [line for paragraph in text.splitlines() for line in _wrap(paragraph, width, letters)]


def axes(draw: ImageDraw.ImageDraw, box: Box, title: str) -> Box:
    """Draw a frame under its title; returns the inside."""
    left, top, right, bottom = box
    write(draw, (left, top), title)
    inside = (left, top + LINE, right, bottom)
    draw.rectangle(inside, outline=FAINT)
    return inside


def curve(draw: ImageDraw.ImageDraw, box: Box, values: Sequence[float], highest: float, colour: Colour) -> None:
    """Draw values from left to right, from 0 at the bottom of the box to `highest` at its top."""
    left, top, right, bottom = box
    step = (right - left) / max(len(values) - 1, 1)
    points = [(left + i * step, bottom - (bottom - top) * min(v / highest, 1)) for i, v in enumerate(values)]
    draw.line(points, fill=colour, width=2)


def _wrap(paragraph: str, width: int, letters: Face) -> list[str]:
    lines, line = [], ""
    for word in paragraph.split(" "):
        longer = f"{line} {word}" if line else word
        if letters.getlength(longer) <= width:
            line = longer
            continue
        lines += [line] if line else []
        while letters.getlength(word) > width and len(word) > 1:
            places = range(len(word))
            cut = max(1, bisect_right(places, width, key=lambda n, word=word: letters.getlength(word[:n])) - 1)
            lines, word = [*lines, word[:cut]], word[cut:]
        line = word
    return [*lines, line]
