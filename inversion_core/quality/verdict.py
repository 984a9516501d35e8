"""What came out of an edit, from the pictures alone: the same picture again, nothing like it, or an edit of it; and whether
the model can hold the picture at all."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from ..shapes import Picture
from .change import Plane, changed, has_outlines, likeness, on_grid
from .metrics import psnr

Outcome = Literal["same", "lost", "unheld", "edited"]
Mask = Shaped[Tensor, "batch 1 height width"]

SAME = 0.025
"""The share changed below which it is the same picture.

Chosen on 400 true edits of the toybox, of which the least changed 0.032 (0.038 and more of 64 through the autoencoder); of
the same pictures grain of 3 % changed nothing, a blur of 3 pixels at most 0.001, JPEG of quality 50 at most 0.018, of
quality 25 half of them more than 0.014, and the autoencoder at most 0.008.
"""
LOST = 0.28
"""The likeness of outlines below which it is another picture.

Of the same true edits all had 0.293 or more (styles the least, the others 0.468), of 400 other scenes 95 % at most 0.254
and 98 % at most 0.284, of noise none more than 0.128.
Photographs are further apart: of 240 pairs out of 16, none had more than 0.111; darkened, tinted, smoothed to few colours
or with a fifth covered, they keep 0.52 and more.
"""
KEPT = 0.5
"""The likeness of outlines below which an edit is a strong one, which may have broken shapes.

Of 256 true edits 8 had less, all of style. Of the same edits, made by plain DDIM in 10 steps, 7 had less at guidance 3 and
45 at 7.5; what should have stayed was 2.3 and 1.5 dB further from the truth in those than in the others.
"""
ENOUGH = 0.05
"""The share of the picture that a mask must leave for outlines to be compared outside it; else they are everywhere."""


@dataclass(frozen=True)
class Verdict:
    """What came out, and the figures that say so.

    "unheld" is a picture that is lost already in the reconstruction. `changed` is the share of the picture, or of its mask,
    that visibly differs from the source beyond the error of the reconstruction. `likeness` is the correlation of the
    outlines of both pictures, outside the mask if there is one; 1 where the source has none, which is not `outlined` then.
    `psnr` is the distance of both pictures in dB, `missed` the share of the picture in which the reconstruction visibly
    differs. `masked` says that a mask told where to look: one of nothing or of everything does not.
    """

    outcome: Outcome
    changed: float
    likeness: float
    psnr: float
    masked: bool = False
    outlined: bool = True
    missed: float = 0.0


def kind(verdict: Verdict) -> str:
    """What its sentence is about: the outcome, or "SameLossy" beside a reconstruction that visibly differs itself,
    "EditedFlat" where there are no outlines, or "EditedStrongly" where few of them are kept."""
    if verdict.outcome == "same" and verdict.missed >= SAME:
        return "SameLossy"
    if verdict.outcome == "edited" and not verdict.outlined:
        return "EditedFlat"
    if verdict.outcome == "edited" and verdict.likeness < KEPT:
        return "EditedStrongly"
    return verdict.outcome.capitalize()


def judge(
    source: Picture, edited: Picture, reconstruction: Picture | None = None, mask: Mask | None = None
) -> tuple[Verdict, ...]:
    """The verdict on each edited picture. What is lost is looked for before what is alike.

    `reconstruction` is the source as the model gives it back unedited; what it loses does not count as changed, unless it is
    nothing like the picture. `mask` is 1 where the edit was meant to be: changes are then counted inside, outlines compared
    outside. A picture with values that are not finite is nothing like the source.

    The thresholds come from the toybox's true edits, whose pictures have 128 x 128 pixels and clear outlines. They
    cannot know what was asked for: a change of a few hundredths of the picture (the colour of eyes) counts as the same
    picture unless a mask says where to look, and a subject that moved or a picture redrawn from another angle counts as
    lost: of 16 photographs moved by a twentieth of their width, 10 do. A picture that is mostly texture (water, grass)
    keeps little likeness when it is redrawn.
    """
    before, everywhere = on_grid(source), torch.ones_like(on_grid(source)[:, :1])
    region, outside, masked = _where(everywhere, None if mask is None else on_grid(mask))
    lost, like = _lost(source, edited, outside)
    back, missed = before, torch.zeros(len(before))
    unheld = torch.zeros(len(before), dtype=torch.bool)
    if reconstruction is not None:
        unheld, _ = _lost(source, reconstruction, everywhere)
        seen = on_grid(reconstruction)
        missed = torch.where(unheld, 1.0, changed(before, seen))
        back = torch.where(unheld[:, None, None, None], before, seen)
    share = torch.where(lost & ~_finite(edited), 1.0, changed(before, on_grid(edited), back, region))
    outlined = has_outlines(before, outside)
    columns = share, like, psnr(source, edited), masked, outlined, missed
    rows = zip(lost.tolist(), unheld.tolist(), *(column.tolist() for column in columns), strict=True)
    return tuple(Verdict(_outcome(gone, never, figures[0]), *figures) for gone, never, *figures in rows)


def _outcome(lost: bool, unheld: bool, share: float) -> Outcome:
    if lost:
        return "unheld" if unheld else "lost"
    return "same" if share < SAME else "edited"


def _lost(
    source: Shaped[Tensor, "batch c h w"], other: Shaped[Tensor, "batch c h w"], weight: Plane
) -> tuple[Bool[Tensor, " batch"], Float[Tensor, " batch"]]:
    """Whether each picture is nothing like the source, and its likeness.

    Grain alone may hide outlines: lost is only what visibly changed where it was not meant to.
    """
    before, after, whole = on_grid(source), on_grid(other), _finite(other)
    like = torch.where(whole, likeness(before, after, weight), 0.0)
    return ~whole | ((like < LOST) & (changed(before, after, region=weight) >= SAME)), like


def _where(everywhere: Plane, region: Plane | None) -> tuple[Plane, Plane, Bool[Tensor, " batch"]]:
    """Where changes are counted, where outlines are compared, and whether a mask said so; else both are everywhere."""
    if region is None:
        return everywhere, everywhere, torch.zeros(len(everywhere), dtype=torch.bool)
    masked = (region.amax((1, 2, 3)) > 0) & ((1 - region).mean((1, 2, 3)) >= ENOUGH)
    chosen = masked[:, None, None, None]
    return torch.where(chosen, region, everywhere), torch.where(chosen, 1 - region, everywhere), masked


def _finite(picture: Picture) -> Bool[Tensor, " batch"]:
    return torch.isfinite(picture).all(3).all(2).all(1)
