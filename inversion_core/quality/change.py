"""How two pictures differ to the eye, on a small grid: how much visibly changed, and how alike their outlines are."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from ..shapes import Picture

Plane = Float[Tensor, "batch 1 height width"]

GRID = 128
"""Pictures are compared with their longer side brought down to this: the measures do not depend on their size."""
PATCH = 5
"""Colours are compared as means over patches of so many cells of that grid, which evens out grain and compression."""
VISIBLE = 0.08
"""How much a patch's colour must differ, in 0..1, to count as changed."""
SCALES = (1, 2, 4)
"""Outlines are compared in cells of so many of the grid's."""
FLAT = 1e-8
"""The variance of outlines below which there are none."""


def on_grid(picture: Shaped[Tensor, "batch c height width"]) -> Float[Tensor, "batch c rows columns"]:
    """The picture with its longer side at most `GRID`; values that are not finite are 0."""
    height, width = picture.shape[-2:]
    scale = min(1.0, GRID / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return F.adaptive_avg_pool2d(picture.float().nan_to_num(0.0, 0.0, 0.0), size)


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


def has_outlines(picture: Picture, weight: Plane) -> Bool[Tensor, " batch"]:
    """Whether there are outlines that could be compared."""
    return _spread(_outlines(picture), weight) >= FLAT


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
