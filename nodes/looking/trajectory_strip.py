"""The film strip of a trajectory: its frames on a dark band, with step, noise level and share of noise below each."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from ...pictures.drawing import BLUE, FAINT, GAP, INK, LINE, PAPER, image_of, wrap, write
from .trajectory_frames import Film

CELL, HOLE, EDGE, BAR, TITLE, PROMPT = 176, 10, 26, 7, 20, 4
TRACK = (226, 226, 222)
TOLD = ("inversion", "model", "image", "noise levels")


def strip(film: Film, facts: Mapping[str, str]) -> Tensor:
    """The strip as an IMAGE, in as many bands as it needs, under its prompt and the facts that matter most."""
    columns, tall = columns_of(len(film.levels)), cell_height(film)
    about = "; ".join(facts[name] for name in TOLD if name in facts)
    width = GAP + columns * (CELL + GAP) + GAP
    prompt = wrap(facts.get("prompt", ""), width - 2 * GAP)[:PROMPT]
    lines = [*prompt, *wrap(about, width - 2 * GAP)]
    head = 2 * GAP + TITLE + LINE * len(lines)
    band = 2 * EDGE + tall
    labels = LINE if len(film.rows) > 1 else 0
    block = len(film.rows) * (band + labels + 2) + 2 * LINE + BAR + 2 * GAP
    places = [film.levels[i : i + columns] for i in range(0, len(film.levels), columns)]
    canvas = Image.new("RGB", (width, head + GAP // 2 + block * len(places)), PAPER)
    draw = ImageDraw.Draw(canvas)
    write(draw, (GAP, GAP), "From image to noise", size=17)
    for number, line in enumerate(lines):
        write(draw, (GAP, GAP + TITLE + 4 + number * LINE), line, INK if number < len(prompt) else FAINT)
    for number, levels in enumerate(places):
        top = head + GAP // 2 + number * block
        for name, pictures in film.rows.items():
            if labels:
                write(draw, (GAP, top), name)
            some = pictures[number * columns : number * columns + len(levels)]
            lay_band(canvas, draw, (top + labels, width, tall), some)
            top += labels + band + 2
        for column, level in enumerate(levels):
            caption(draw, (GAP + column * (CELL + GAP) + GAP // 2, top + 4), film, level)
    return image_of(canvas)


def columns_of(count: int) -> int:
    """How many frames lie beside each other: at most eight, in bands as even as they can be."""
    return -(-count // -(-count // 8))


def cell_height(film: Film) -> int:
    height, width = film.pictures.shape[1:3]
    return max(1, min(3 * CELL, round(CELL * height / width)))


def lay_band(canvas: Image.Image, draw: ImageDraw.ImageDraw, place: tuple[int, int, int], pictures: Tensor) -> None:
    """A dark band from edge to edge at `place` (top, width, height of a picture) with its holes and its pictures."""
    top, width, tall = place
    draw.rectangle((0, top, width, top + 2 * EDGE + tall - 1), fill=INK)
    for left in range(HOLE, width - HOLE, 2 * HOLE + 4):
        for upper in (top + (EDGE - HOLE) // 2, top + EDGE + tall + (EDGE - HOLE) // 2):
            draw.rounded_rectangle((left, upper, left + HOLE + 3, upper + HOLE), 3, fill=PAPER)
    for column, pixels in enumerate(pictures):
        levels = np.rint(pixels.numpy() * 255).astype(np.uint8)
        frame = Image.fromarray(levels).resize((CELL, tall), Image.Resampling.LANCZOS)
        canvas.paste(frame, (GAP + column * (CELL + GAP) + GAP // 2, top + EDGE))


def caption(draw: ImageDraw.ImageDraw, place: tuple[int, int], film: Film, level: int) -> None:
    """Step and noise level of a frame, and its share of noise as a bar."""
    trajectory, (left, top) = film.trajectory, place
    step, sigma = trajectory.steps - level, trajectory.sigmas[level]
    title = "image" if step == 0 else "noise" if level == 0 else f"step {step}"
    write(draw, (left, top), title)
    write(draw, (left + CELL, top), f"sigma {float(sigma):.4g}", FAINT, to=1)
    signal, noise = float(trajectory.path.alpha(sigma)), float(sigma)
    share = noise**2 / max(signal**2 + noise**2, 1e-12)
    top += LINE
    draw.rounded_rectangle((left, top, left + CELL, top + BAR), BAR // 2, fill=TRACK)
    if share > 0:
        draw.rounded_rectangle((left, top, left + max(BAR, round(CELL * share)), top + BAR), BAR // 2, fill=BLUE)
    write(draw, (left, top + BAR + 2), f"{share:.0%} noise", FAINT)
