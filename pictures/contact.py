"""A contact sheet: pictures before and after an edit, large, and small ones to hold them against."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from .drawing import INK, write
from .files import Pixels
from .sheet import FAINT, PAPER

COLUMNS = 2  # pairs in a row
LARGE, SEAM, GAP, EDGE = 320, 8, 48, 40  # pixels: a picture, within a pair, between pairs, around
TITLE, TEXT, LINE = 34, 22, 32  # the size of letters, and from line to line
PAIR = 2 * LARGE + SEAM
WIDTH = 2 * EDGE + COLUMNS * PAIR + (COLUMNS - 1) * GAP


@dataclass(frozen=True)
class Pair:
    """A picture before and after, under a title; `small` goes to the strip at the foot."""

    title: str
    before: Pixels
    after: Pixels
    small: Sequence[Pixels] = ()


def contact_sheet(title: str, lines: Sequence[str], pairs: Sequence[Pair], foot: str) -> Pixels:
    """One picture of all pairs in rows under a title and lines of text, their small pictures in one strip under `foot`."""
    row, head = LINE + LARGE + GAP // 2, EDGE + TITLE + LINE // 2 + len(lines) * LINE + GAP // 2
    below = head + row * -(-len(pairs) // COLUMNS)
    side = small_side(pairs)
    image = Image.new("RGB", (WIDTH, below + (LINE + side if side else 0) + EDGE), PAPER)
    draw = ImageDraw.Draw(image)
    write(draw, (EDGE, EDGE), title, INK, size=TITLE)
    for number, line in enumerate(lines):
        write(draw, (EDGE, EDGE + TITLE + LINE // 2 + number * LINE), line, FAINT, size=TEXT)
    for number, pair in enumerate(pairs):
        left, top = EDGE + number % COLUMNS * (PAIR + GAP), head + number // COLUMNS * row
        write(draw, (left, top), pair.title, INK, size=TEXT)
        for place, pixels in enumerate((pair.before, pair.after)):
            image.paste(enlarged(pixels, LARGE), (left + place * (LARGE + SEAM), top + LINE))
    write(draw, (EDGE, below), foot, FAINT, size=TEXT)
    smalls = [(number, place, pixels) for number, pair in enumerate(pairs) for place, pixels in enumerate(pair.small)]
    for number, place, pixels in smalls:
        left = EDGE + number * (WIDTH - 2 * EDGE + SEAM) // len(pairs) + place * (side + SEAM // 2)
        image.paste(enlarged(pixels, side), (left, below + LINE))
    return np.asarray(image)


def small_side(pairs: Sequence[Pair]) -> int:
    """The side of a small picture, such that those of all pairs fill a strip; 0 if there are none."""
    most = max(len(pair.small) for pair in pairs)
    return 0 if not most else (WIDTH - 2 * EDGE) // (len(pairs) * most) - SEAM


def enlarged(pixels: Pixels, side: int) -> Image.Image:
    """The picture smoothly brought to a width and height."""
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), Image.Resampling.LANCZOS)
