"""Labelled sheets of pictures, heat maps and curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from .drawing import wrap, write
from .files import Pixels

CELL, GAP, LINE = 256, 16, 22  # the width of a cell, between cells, and from line to line of a text; in pixels
INK, FAINT, EDGE, PAPER = (24, 24, 27), (110, 110, 118), (212, 212, 216), (255, 255, 255)
MARK, FRAME = (22, 163, 74), 5  # the frame of what is marked, and its width
HEAT = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))


@dataclass(frozen=True)
class Cell:
    """A picture with a title above it and a remark below; one that is `marked` has a green frame."""

    title: str
    pixels: Pixels
    note: str = ""
    marked: bool = False


def sheet(title: str, lines: Sequence[str], cells: Sequence[Cell], *, columns: int = 4) -> Pixels:
    """One picture of all cells in rows, under a title and lines of text that are broken to fit."""
    columns = min(columns, len(cells))
    width = columns * (CELL + GAP) + GAP
    broken = [part for line in lines for part in _lines(line, width - 2 * GAP, 16)]
    rows = [cells[first : first + columns] for first in range(0, len(cells), columns)]
    tops = list(accumulate((_height(row) for row in rows), initial=GAP + 34 + len(broken) * LINE + GAP // 2))
    image = Image.new("RGB", (width, tops[-1] + GAP // 2), PAPER)
    draw = ImageDraw.Draw(image)
    write(draw, (GAP, GAP), _lines(title, width - 2 * GAP, 24)[0], INK, size=24)
    for number, line in enumerate(broken):
        write(draw, (GAP, GAP + 34 + number * LINE), line, FAINT, size=16)
    for row, top in zip(rows, tops, strict=False):
        above = max(len(_lines(cell.title, CELL, 16)) for cell in row) * LINE
        for column, cell in enumerate(row):
            _draw(image, draw, cell, GAP + column * (CELL + GAP), top, above)
    return np.asarray(image)


def _height(row: Sequence[Cell]) -> int:
    """The height of cells beside each other, each note right below its picture, and of the gap below them."""
    above = max(len(_lines(cell.title, CELL, 16)) for cell in row) * LINE
    below = max(scale_to_cell(cell.pixels).height + len(_lines(cell.note, CELL, 15)) * LINE for cell in row)
    return above + below + GAP


def _draw(image: Image.Image, draw: ImageDraw.ImageDraw, cell: Cell, left: int, top: int, above: int) -> None:
    for place, line in enumerate(_lines(cell.title, CELL, 16)):
        write(draw, (left, top + place * LINE), line, MARK if cell.marked else INK, size=16)
    picture = scale_to_cell(cell.pixels)
    image.paste(picture, (left, top + above))
    box = left - 1, top + above - 1, left + CELL, top + above + picture.height
    draw.rectangle(box, outline=EDGE)
    if cell.marked:
        draw.rectangle(
            (box[0] - FRAME + 1, box[1] - FRAME + 1, box[2] + FRAME - 1, box[3] + FRAME - 1), outline=MARK, width=FRAME
        )
    for place, line in enumerate(_lines(cell.note, CELL, 15)):
        write(draw, (left, top + above + picture.height + 4 + place * LINE), line, FAINT, size=15)


def _lines(text: str, width: int, size: int) -> list[str]:
    """The text as one paragraph, in lines no wider than `width` pixels; at least one."""
    return wrap(" ".join(text.split()), width, size) or [""]


def scale_to_cell(pixels: Pixels) -> Image.Image:
    """The picture brought to the width of a cell; small pictures by whole factors keep their pixels crisp."""
    height = max(1, round(pixels.shape[0] * CELL / pixels.shape[1]))
    enlarged = CELL % pixels.shape[1] == 0
    way = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((CELL, height), way)


def heat(pixels: Pixels, attention: Tensor) -> Pixels:
    """A map [height, width] as colours over the picture in grey: dark where it is least, yellow where it is most."""
    low, high = attention.min(), attention.max()
    share = (attention - low) / (high - low).clamp(min=1e-12)
    size = pixels.shape[:2]
    wide = torch.nn.functional.interpolate(share[None, None].float(), size, mode="bicubic", align_corners=False)
    grey = pixels.mean(-1, keepdims=True)
    return np.rint(0.35 * grey + 0.65 * heat_colours(wide[0, 0].clamp(0, 1))).clip(0, 255).astype(np.uint8)


def heat_colours(level: Tensor) -> NDArray[np.float64]:
    """The colours [height, width, 3], 0..255, of levels 0..1: dark where they are least, yellow where they are most."""
    stops = np.linspace(0, 1, len(HEAT))
    return np.stack([np.interp(level.numpy(), stops, [stop[c] for stop in HEAT]) for c in range(3)], -1)


def amplify(pixels: Pixels, other: Pixels, factor: float = 8) -> Pixels:
    """The difference of two pictures around mid grey, amplified."""
    return np.rint(127.5 + factor * (pixels.astype(np.float64) - other) / 2).clip(0, 255).astype(np.uint8)


def curves(series: Sequence[tuple[str, Sequence[float], tuple[int, int, int]]], *, height: int = CELL) -> Pixels:
    """Curves of values over the steps, from the noisiest on, with the largest value at the axis."""
    image = Image.new("RGB", (CELL, height), (246, 246, 248))
    draw = ImageDraw.Draw(image)
    top = max((max(values) for _, values, _ in series), default=0) or 1.0
    left, upper, right, lower = 8, 26, CELL - 8, height - 12
    draw.line([(left, lower), (right, lower)], FAINT)
    for number, (name, values, colour) in enumerate(series):
        steps = max(len(values) - 1, 1)
        points = [
            (left + (right - left) * i / steps, lower - (lower - upper) * value / top) for i, value in enumerate(values)
        ]
        draw.line(points, colour, 2)
        write(draw, (left + 4, upper + 4 + 20 * number), name, colour, size=14)
    write(draw, (left, 4), f"largest {top:.2g}", FAINT, size=14)
    return np.asarray(image)
