"""How near an edited picture came to the true one: in dB, and by what the judge reads in both."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import torch
from torch import Tensor

from ..inversion_core.quality.metrics import psnr
from .judge import readings
from .loaders import load_judge
from .models import Judge
from .world import SIZE
from .world.edits import VISIBLE, visible_attributes


@dataclass(frozen=True)
class Nearness:
    """PSNR to the truth in dB, of all and where it differs from the picture and where it does not (None: nowhere), and what is missing.

    `wanted` are the attributes that the true picture changes, by the judge's reading, None for pictures that the judge
    cannot read; `missing` those of them that the edit does not show, as "name: value".
    """

    whole: float
    inside: float | None
    outside: float | None
    wanted: tuple[str, ...] | None
    missing: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether the judge sees a change that was wanted."""
        return bool(self.wanted) and not self.missing

    def __str__(self) -> str:
        places = ((self.inside, "where the change belongs"), (self.outside, "elsewhere"))
        near = ", ".join(f"{level:.1f} dB from the truth {where}" for level, where in places if level is not None)
        if not self.wanted:
            return f"The edit is {near}."
        if self.missing:
            return f"The change is missing ({', '.join(self.missing)}): the edit is {near}."
        return f"The change is there ({', '.join(self.wanted)}): the edit is {near}."


def nearness(before: Tensor, after: Tensor, truth: Tensor) -> list[Nearness]:
    """How near each edit [n, 3, height, width] in 0..1 came to its truth; of the toybox's size the judge reads what it shows."""
    moved = (truth - before).abs().amax(1, keepdim=True) > VISIBLE
    figures = list(
        zip(psnr(after, truth).tolist(), *(_levels(after, truth, place) for place in (moved, ~moved)), strict=True)
    )
    if before.shape[-2:] != (SIZE, SIZE):
        return [Nearness(*levels, None) for levels in figures]
    sides = zip(*(read(one) for one in (before, after, truth)), strict=True)
    return [Nearness(*levels, *_changed(*three)) for levels, three in zip(figures, sides, strict=True)]


def _levels(after: Tensor, truth: Tensor, where: Tensor) -> list[float | None]:
    rows = zip(after.split(1), truth.split(1), where.split(1), strict=True)
    return [float(psnr(a, b, w)[0]) if bool(w.any()) else None for a, b, w in rows]


def _changed(
    was: dict[str, str], shows: dict[str, str], wanted: dict[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    shown = visible_attributes(SimpleNamespace(**wanted))
    asked = {name: wanted[name] for name in shown if wanted[name] != was[name]}
    named = {name: f"{name.replace('_', ' ')}: {value}" for name, value in asked.items()}
    return tuple(named.values()), tuple(told for name, told in named.items() if shows[name] != asked[name])


def read(pictures: Tensor) -> Sequence[dict[str, str]]:
    """What the judge sees in pictures [n, 3, 128, 128] in 0..1."""
    with torch.inference_mode(False):
        return readings(_judge(), pictures.clone())


@cache
def _judge() -> Judge:
    return load_judge()
