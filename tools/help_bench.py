"""What the pictures of the help pages are made with: the toybox's models, its edits, and a grid of labelled cells."""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch.nn.functional import interpolate

from latent_inversion.api.models import TOYBOXES, load_toybox
from latent_inversion.command_line.editing import run_edit
from latent_inversion.inversion_core.backends.diffusers.studio import Studio
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.quality.metrics import psnr
from latent_inversion.inversion_core.shapes import Latent, Picture
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.pictures.drawing import wrap
from latent_inversion.pictures.faces import face
from latent_inversion.pictures.files import Pixels, to_pixels
from latent_inversion.pictures.sheet import EDGE, INK, PAPER, Cell
from latent_inversion.toybox.world import Edit, held_out_edits, render

DOCS = Path(__file__).resolve().parent.parent / "web" / "docs" / "pictures"
CELL, GAP = 228, 9
HEAVY = 58_000
"""The most bytes of a picture."""


@dataclass(frozen=True)
class Bench:
    """A model of the toybox and the steps to use."""

    studio: Studio
    steps: int = 20

    def inverted(self, picture: Picture, words: str, method: str = "ddim", guidance: float = 1.0) -> Trajectory:
        """The picture's trajectory."""
        x0 = self.studio.encode_picture(picture)
        cond = self.studio.cond(words, guidance)
        return invert(INVERSIONS[method], self.studio.denoiser, x0, self.studio.grid(self.steps, x0), cond)

    def back(self, trajectory: Trajectory, words: str, guidance: float = 1.0) -> Pixels:
        """What sampling along the trajectory's own grid makes of its noise."""
        walk = replay(trajectory, self.studio.denoiser, self.studio.cond(words, guidance))
        return self.shown(walk.xs[-1])

    def edited(self, trajectory: Trajectory, edit: Edit, **options: object) -> Pixels:
        """The edit along the trajectory; options are those of `run_edit`."""
        done = run_edit(self.studio, trajectory, edit.source_caption, edit.target_caption, **options)
        return self.shown(done.target)

    def shown(self, x0: Latent) -> Pixels:
        return to_pixels(self.studio.decode(x0))

    def noisy(self, trajectory: Trajectory, level: int) -> Pixels:
        """A level of the trajectory as the decoder sees it, at a picture's strength."""
        scale = float(trajectory.path.input_scale(trajectory.sigmas[level]))
        return self.shown(trajectory.xs[level].float() / scale)


@cache
def studio_of(name: str) -> Studio:
    """A model of the toybox, loaded once."""
    return load_toybox(family=TOYBOXES[name])


def bench(name: str = "toybox", steps: int = 20) -> Bench:
    return Bench(studio_of(name), steps)


def begun(edit: Edit, name: str = "toybox", steps: int = 20) -> tuple[Bench, Trajectory, Pixels]:
    """A model, and the picture of an edit with its trajectory."""
    here, picture = bench(name, steps), drawn(edit.source)
    return here, here.inverted(picture, edit.source_caption), to_pixels(picture)


def example(beginning: str, number: int = 0) -> Edit:
    """A held-out edit of a photo whose name begins so."""
    edits = [one for one in held_out_edits(160) if one.name.startswith(beginning) and one.source.style == "photo"]
    return edits[number]


def drawn(scene: object) -> Picture:
    """The renderer's picture of a scene."""
    return render([scene])


def decibels(pixels: Pixels, other: Pixels) -> str:
    """PSNR in words."""
    if np.array_equal(pixels, other):
        return "exact"
    both = (torch.from_numpy(np.ascontiguousarray(one)).permute(2, 0, 1)[None].float() / 255 for one in (pixels, other))
    return f"{float(psnr(*both)[0]):.1f} dB"


def overlaid(pixels: Pixels, mask: torch.Tensor) -> Pixels:
    """The picture with everything outside of a mask [..., height, width] greyed and darkened."""
    size = pixels.shape[:2]
    share = interpolate(mask.float().reshape(1, 1, *mask.shape[-2:]), size)[0, 0, :, :, None].numpy()
    grey = 0.35 * pixels.mean(-1, keepdims=True)
    return np.rint(share * pixels + (1 - share) * grey).clip(0, 255).astype(np.uint8)


def laid_out(cells: Sequence[Cell], columns: int) -> Image.Image:
    """The cells in rows of so many columns, each under its title; letters stay legible in a panel that is narrower than the picture."""
    size = {2: 19, 3: 23}.get(columns, 24)
    titles = [wrap(cell.title, CELL, size) for cell in cells]
    head = max(len(lines) for lines in titles) * (size + 4) + 4
    pictures = [scaled(cell.pixels) for cell in cells]
    row = head + max(one.height for one in pictures) + GAP
    rows = -(-len(cells) // columns)
    image = Image.new("RGB", (columns * (CELL + GAP) + GAP, rows * row + GAP), PAPER)
    draw = ImageDraw.Draw(image)
    for number, picture in enumerate(pictures):
        left, top = GAP + number % columns * (CELL + GAP), GAP // 2 + number // columns * row
        for place, line in enumerate(titles[number]):
            draw.text((left, top + place * (size + 4)), line, INK, face(size))
        image.paste(picture, (left, top + head))
        draw.rectangle((left - 1, top + head - 1, left + CELL, top + head + picture.height), outline=EDGE)
    return image


def scaled(pixels: Pixels) -> Image.Image:
    height = max(1, round(pixels.shape[0] * CELL / pixels.shape[1]))
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((CELL, height), Image.Resampling.LANCZOS)


def saved(image: Image.Image, path: Path) -> None:
    """Write the picture as well as its bytes allow."""
    for quality in (90, 85, 80, 72, 64):
        image.save(path, quality=quality, optimize=True)
        if path.stat().st_size < HEAVY:
            return
    raise ValueError(f"{path} is larger than {HEAVY} bytes; show fewer or calmer cells.")


def main(table: dict[str, tuple[Callable[[], list[Cell]], int]], about: str) -> None:
    """Make the pictures of the nodes that the command line names, or of all: of each node the cells, and how many stand side by side."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("nodes", nargs="*", metavar="NODE", help="of all, if none is named")
    parser.add_argument("--out", type=Path, default=DOCS, help="the folder to fill")
    chosen = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    chosen.out.mkdir(parents=True, exist_ok=True)
    for node in chosen.nodes or table:
        path = chosen.out / f"{node}.jpg"
        cells, columns = table[node]
        saved(laid_out(cells(), columns), path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
