"""What came out of an edit, from the pictures alone: the same picture again, nothing like it, or an edit of it; and whether
the model can hold the picture at all."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from ..shapes import Picture
from .metrics import psnr

Outcome = Literal["same", "lost", "unheld", "edited"]
Plane = Float[Tensor, "batch 1 height width"]
Mask = Shaped[Tensor, "batch 1 height width"]

GRID = 128
"""Pictures are compared with their longer side brought down to this: the measures do not depend on their size."""
PATCH = 5
"""Colours are compared as means over patches of so many cells of that grid, which evens out grain and compression."""
VISIBLE = 0.08
"""How much a patch's colour must differ, in 0..1, to count as changed."""
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
SCALES = (1, 2, 4)
"""Outlines are compared in cells of so many of the grid's."""
FLAT = 1e-8
"""The variance of outlines below which there are none."""
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
    before, everywhere = _patches_seen(source), torch.ones_like(_patches_seen(source)[:, :1])
    region, outside, masked = _where(everywhere, None if mask is None else _patches_seen(mask))
    lost, like = _lost(source, edited, outside)
    back, missed = before, torch.zeros(len(before))
    unheld = torch.zeros(len(before), dtype=torch.bool)
    if reconstruction is not None:
        unheld, _ = _lost(source, reconstruction, everywhere)
        seen = _patches_seen(reconstruction)
        missed = torch.where(unheld, 1.0, changed(before, seen))
        back = torch.where(unheld[:, None, None, None], before, seen)
    share = torch.where(lost & ~_finite(edited), 1.0, changed(before, _patches_seen(edited), back, region))
    outlined = _spread(_outlines(before), outside) >= FLAT
    columns = share, like, psnr(source, edited), masked, outlined, missed
    rows = zip(lost.tolist(), unheld.tolist(), *(column.tolist() for column in columns), strict=True)
    return tuple(Verdict(_outcome(gone, never, figures[0]), *figures) for gone, never, *figures in rows)


def changed(
    source: Picture, edited: Picture, reconstruction: Picture | None = None, region: Plane | None = None
) -> Float[Tensor, " batch"]:
    """The share of each picture, or of its region, whose patches visibly differ from the source's beyond the reconstruction's.

    All are on the grid.
    """
    before, after = _patches(source), _patches(edited)
    excess = (after - before).abs().amax(1, keepdim=True)
    if reconstruction is not None:
        missed = (_patches(reconstruction) - before).abs().amax(1, keepdim=True)
        excess = excess - F.max_pool2d(missed, PATCH, 1, PATCH // 2)
    weight = torch.ones_like(excess) if region is None else region
    return ((excess > VISIBLE) * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp_min(1e-6)


def likeness(source: Picture, edited: Picture, weight: Plane) -> Float[Tensor, " batch"]:
    """The correlation of how strong outlines are, the mean over `SCALES`; where the source has no outlines it is 1."""
    found = []
    for scale in SCALES:
        first, second, where = (F.avg_pool2d(one, scale, ceil_mode=True) for one in (source, edited, weight))
        found.append(_correlation(_outlines(first), _outlines(second), where))
    return torch.stack(found).mean(0)


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
    before, after, whole = _patches_seen(source), _patches_seen(other), _finite(other)
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


def _patches_seen(picture: Shaped[Tensor, "batch c height width"]) -> Float[Tensor, "batch c rows columns"]:
    """On the grid: the longer side at most `GRID`. Values that are not finite are 0."""
    height, width = picture.shape[-2:]
    scale = min(1.0, GRID / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return F.adaptive_avg_pool2d(picture.float().nan_to_num(0.0, 0.0, 0.0), size)


def _patches(picture: Picture) -> Picture:
    edge = PATCH // 2
    return F.avg_pool2d(F.pad(picture, (edge, edge, edge, edge), mode="replicate"), PATCH, 1)


def _outlines(picture: Picture) -> Plane:
    """How fast brightness changes, across and down."""
    grey = F.pad(picture.mean(1, keepdim=True), (0, 1, 0, 1), mode="replicate")
    return (grey[..., :-1, 1:] - grey[..., :-1, :-1]).hypot(grey[..., 1:, :-1] - grey[..., :-1, :-1])


def _correlation(first: Plane, second: Plane, weight: Plane) -> Float[Tensor, " batch"]:
    common = _spread(first, weight, second)
    own, other = (_spread(one, weight) for one in (first, second))
    return torch.where(own < FLAT, 1.0, common / (own * other).sqrt().clamp_min(1e-12))


def _spread(first: Plane, weight: Plane, second: Plane | None = None) -> Float[Tensor, " batch"]:
    """The variance, or the covariance with a second."""
    share = weight / weight.sum((1, 2, 3), keepdim=True)
    a, b = (one - (one * share).sum((1, 2, 3), keepdim=True) for one in (first, first if second is None else second))
    return (a * b * share).sum((1, 2, 3))
