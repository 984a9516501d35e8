"""How near an edited picture is to the truth, inside and outside the region that truly changes."""

from collections.abc import Callable, Sequence
from math import isfinite
from statistics import fmean
from typing import Any, TypeAlias

import torch
from torch import Tensor

from latent_inversion.inversion_core.quality.metrics import psnr, ssim
from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.toybox.judge import edit_right
from latent_inversion.toybox.world import Edit, edit_mask, render

from . import frame

COLUMNS = ("right", "kept", "inside", "outside", "ssim_inside", "ssim_outside", "seconds")
HEADS = {
    "edit right": "%",
    "rest kept": "%",
    "inside, dB": ".2f",
    "outside, dB": ".2f",
    "SSIM inside": ".3f",
    "SSIM outside": ".3f",
    "seconds": ".1f",
}


Score: TypeAlias = frame.Record
"""One edited picture: method, case, name, and its columns, the judge's verdicts and PSNR and SSIM to the truth. nan: no such region."""


def scores(
    judge: Any, method: str, first: int, edits: Sequence[Edit], pictures: Picture, *, seconds: float
) -> list[Score]:
    """A score for each edit's picture; `first` is the number of the first, `seconds` what one took."""
    rows = figures(judge, edits, pictures, render([edit.target for edit in edits]), COLUMNS[:-1])
    return [
        {"method": method, "case": case, "name": edit.name, **row, "seconds": seconds}
        for case, (edit, row) in enumerate(zip(edits, rows, strict=True), first)
    ]


def figures(
    judge: Any, edits: Sequence[Edit], pictures: Picture, truths: Picture, columns: Sequence[str]
) -> list[dict[str, float]]:
    """For each picture its columns: `right` and `kept` by the judge, and PSNR and SSIM to the truth by place."""
    verdicts, masks = edit_right(judge, pictures, edits), region(edits)
    known: dict[str, Callable[[], list[float]]] = {
        "right": lambda: [float(verdict.right) for verdict in verdicts],
        "kept": lambda: [verdict.kept_share for verdict in verdicts],
        "inside": lambda: psnr(pictures, truths, masks).tolist(),
        "outside": lambda: psnr(pictures, truths, ~masks).tolist(),
        "whole": lambda: psnr(pictures, truths).tolist(),
        "ssim_inside": lambda: ssim(pictures, truths, masks).tolist(),
        "ssim_outside": lambda: ssim(pictures, truths, ~masks).tolist(),
        "ssim": lambda: ssim(pictures, truths).tolist(),
    }
    rows = zip(*(known[column]() for column in columns), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def region(edits: Sequence[Edit]) -> Tensor:
    """Where the true pictures differ: bool [n, 1, height, width]."""
    return torch.stack([edit_mask(edit.source, edit.target)[None] for edit in edits])


def means(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    """The mean of each column for each method, over the cases that have the region."""
    methods = dict.fromkeys(score["method"] for score in scores)
    return {name: frame.means((s for s in scores if s["method"] == name), COLUMNS) for name in methods}


def table(scores: Sequence[Score]) -> str:
    """The means as Markdown."""
    return frame.table(["method"], HEADS, (([name], row.values()) for name, row in means(scores).items()))


def gains(pairs: Sequence[tuple[frame.Record, frame.Record]], column: str) -> list[float]:
    """By how much the first of each pair is above the second, where both have the column."""
    both = ((first[column], second[column]) for first, second in pairs)
    return [first - second for first, second in both if isfinite(first) and isfinite(second)]


def verdict(scores: Sequence[Score], ours: str) -> str:
    """Against each other method: by how much ours is nearer to the truth, inside and outside, and on how many cases."""
    lines, rows = [], {(s["method"], s["case"]): s for s in scores}
    for method in means(scores):
        if method == ours:
            continue
        parts = []
        for column in ("inside", "outside"):
            known = gains([(rows[ours, s["case"]], s) for s in scores if s["method"] == method], column)
            if known:
                parts.append(f"{column} {fmean(known):+.2f} dB ({sum(d > 0 for d in known)} of {len(known)} cases)")
        lines.append(f"{ours} against {method}: {', '.join(parts)}")
    return "\n".join(lines)
