"""How near an edited picture is to the truth, inside and outside the region that truly changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from latent_inversion.inversion_core.quality.metrics import psnr, ssim
from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.toybox.judge import edit_right
from latent_inversion.toybox.world import Edit, edit_mask, render

COLUMNS = ("right", "kept", "inside", "outside", "ssim_inside", "ssim_outside")
HEADS = ("edit right", "rest kept", "inside, dB", "outside, dB", "SSIM inside", "SSIM outside")


@dataclass(frozen=True)
class Score:
    """One edited picture: the judge's verdict on the change and on the rest, and PSNR and SSIM to the truth. nan: no such region."""

    method: str
    case: int
    name: str
    right: float
    kept: float
    inside: float
    outside: float
    ssim_inside: float
    ssim_outside: float
    seconds: float


def scores(
    judge: Any, method: str, first: int, edits: Sequence[Edit], pictures: Picture, *, seconds: float
) -> list[Score]:
    """A score for each edit's picture; `first` is the number of the first, `seconds` what one took."""
    truths = render([edit.target for edit in edits])
    masks = region(edits)
    verdicts = edit_right(judge, pictures, edits)
    columns = [f(pictures, truths, m).tolist() for f in (psnr, ssim) for m in (masks, ~masks)]
    return [
        Score(method, first + row, edit.name, float(verdict.right), verdict.kept_share, *values, seconds)
        for row, (edit, verdict, *values) in enumerate(zip(edits, verdicts, *columns, strict=True))
    ]


def region(edits: Sequence[Edit]) -> Tensor:
    """Where the true pictures differ: bool [n, 1, height, width]."""
    return torch.stack([edit_mask(edit.source, edit.target)[None] for edit in edits])


def means(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    """The mean of each column for each method, over the cases that have the region."""
    methods = dict.fromkeys(score.method for score in scores)
    return {m: {c: _mean([getattr(s, c) for s in scores if s.method == m]) for c in COLUMNS} for m in methods}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value == value]
    return fmean(known) if known else float("nan")


def table(scores: Sequence[Score]) -> str:
    """The means as Markdown."""
    lines = [f"| method | {' | '.join(HEADS)} | seconds |", "|---|" + "---:|" * (len(HEADS) + 1)]
    for method, row in means(scores).items():
        shown = [f"{100 * row[c]:.0f} %" for c in COLUMNS[:2]]
        shown += [f"{row[c]:.2f}" for c in COLUMNS[2:4]] + [f"{row[c]:.3f}" for c in COLUMNS[4:]]
        seconds = fmean(score.seconds for score in scores if score.method == method)
        lines.append(f"| {method} | {' | '.join(shown)} | {seconds:.1f} |")
    return "\n".join(lines)


def verdict(scores: Sequence[Score], ours: str) -> str:
    """Against each other method: by how much ours is nearer to the truth, inside and outside, and on how many cases."""
    lines, rows = [], {(s.method, s.case): s for s in scores}
    for method in means(scores):
        if method == ours:
            continue
        parts = []
        for column in ("inside", "outside"):
            pairs = [(getattr(rows[ours, s.case], column), getattr(s, column)) for s in scores if s.method == method]
            known = [a - b for a, b in pairs if a == a and b == b]
            if known:
                parts.append(f"{column} {fmean(known):+.2f} dB ({sum(d > 0 for d in known)} of {len(known)} cases)")
        lines.append(f"{ours} against {method}: {', '.join(parts)}")
    return "\n".join(lines)
