"""Pages of the best, the median and the worst cases, to be looked at."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path

from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.pictures.files import to_pixels, write_picture
from latent_inversion.pictures.sheet import Cell, sheet
from latent_inversion.toybox.world import Edit, render

from .score import Score

ROWS = 5


def sheets(
    out: Path, scores: Sequence[Score], edits: Sequence[Edit], pictures: Mapping[str, Picture], *, ours: str
) -> None:
    """Write best.png, median.png and worst.png, by the PSNR of ours inside the region: source, every method, truth."""
    order = sorted((s for s in scores if s["method"] == ours), key=lambda s: -s["inside"])
    middle = max((len(order) - ROWS) // 2, 0)
    for name, part in {"best": order[:ROWS], "median": order[middle : middle + ROWS], "worst": order[-ROWS:]}.items():
        cells = [cell for score in part for cell in row(score, scores, edits[score["case"]], pictures)]
        page = sheet(f"The {name} cases of: {ours}", [], cells, columns=len(pictures) + 2)
        write_picture(out / f"{name}.png", page)


def row(score: Score, scores: Sequence[Score], edit: Edit, pictures: Mapping[str, Picture]) -> list[Cell]:
    """One case: its source, what each method made of it, and the truth."""
    source, truth = render([edit.source, edit.target]).split(1)
    case = score["case"]
    figures = {s["method"]: s for s in scores if s["case"] == case}
    made = [Cell(name, to_pixels(batch[case : case + 1]), _figures(figures[name])) for name, batch in pictures.items()]
    return [Cell(edit.name, to_pixels(source)), *made, Cell("truth", to_pixels(truth))]


def _figures(score: Score) -> str:
    outside = f", outside {score['outside']:.1f} dB" if isfinite(score["outside"]) else ""
    return f"{'right' if score['right'] else 'wrong'}, inside {score['inside']:.1f}{outside}"
