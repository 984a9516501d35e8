"""Bringing what one picture shows to the place and size that it has in another: a similarity between two regions."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

Region = Float[Tensor, "1 1 _ _"]
"""Where a thing is in one picture, 0..1."""

ROUNDS = ((32, 9, 0.5, 0.4), (32, 5, 0.12, 0.1), (64, 5, 0.04, 0.03), (64, 5, 0.015, 0.012))
"""Of the search: the side at which regions are compared, how many values each of the three unknowns is given, and the
furthest of scale's logarithm and of the shift."""
HIDDEN = 0.5
"""The most of the region that the other picture need not show."""


@dataclass(frozen=True)
class Placement:
    """`y = scale * x + shift`: the point of the other picture that a point x of this one shows, in halves of the pictures.

    Across, the scale is `aspect` times as large: the width of this picture by its height, over that of the other.
    """

    scale: float
    shift: tuple[float, float]
    aspect: float = 1.0

    def of(
        self, pictures: Float[Tensor, "batch channels _ _"], size: tuple[int, int]
    ) -> Float[Tensor, "batch channels _ _"]:
        """The other picture, or its mask, as it lies in this one, of height and width `size`; reflected where it ends."""
        across = self.scale * self.aspect
        theta = torch.tensor([[across, 0, self.shift[0]], [0, self.scale, self.shift[1]]]).expand(len(pictures), 2, 3)
        grid = affine_grid(theta, [len(pictures), 1, *size], align_corners=False).to(pictures)
        return grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def registered(region: Region, other: Region) -> Placement:
    """The placement under which `other` of its picture covers `region` of this one best.

    Maximises `sum min(a, b) / sum max(a, b)` over scale and shift, around equal areas and centres, over the places that the
    other picture shows at all, which must be half of the region. Raises ValueError if one of the regions is empty.
    """
    if not (bool(region.any()) and bool(other.any())):
        raise ValueError("A garment and its region must both be seen somewhere; one of the masks is empty.")
    (height, width), (other_height, other_width) = region.shape[-2:], other.shape[-2:]
    aspect = width * other_height / (height * other_width)
    (area, x, y), (other_area, other_x, other_y) = _moments(region), _moments(other)
    scale = (other_area / area / aspect) ** 0.5
    best = torch.tensor([scale, other_x - scale * aspect * x, other_y - scale * y])
    for side, count, most, furthest in ROUNDS:
        here, there = (interpolate(r.float(), (side, side), mode="area") for r in (region, other))
        tried = torch.cartesian_prod(*(torch.linspace(-span, span, count) for span in (most, furthest, furthest)))
        scales = best[0] * tried[:, 0].exp()
        growth = best[0] - scales  # about the region's own centre, so that scale and shift are searched apart
        found = torch.stack(
            [scales, best[1] + tried[:, 1] + growth * aspect * x, best[2] + tried[:, 2] + growth * y], 1
        )
        best = found[int(_overlaps(here, there, found, aspect).argmax())]
    return Placement(float(best[0]), (float(best[1]), float(best[2])), aspect)


def _moments(mask: Region) -> tuple[float, float, float]:
    """Area and centre, in halves of the picture."""
    rows, columns = ((torch.arange(n) + 0.5) * (2 / n) - 1 for n in mask.shape[-2:])
    weight = mask[0, 0] / mask.sum()
    return float(mask.mean()), float((weight.sum(0) * columns).sum()), float((weight.sum(1) * rows).sum())


def _overlaps(here: Tensor, there: Tensor, placements: Tensor, aspect: float) -> Tensor:
    scale, x, y = placements.T[:, :, None]
    zero = torch.zeros_like(scale)
    theta = torch.stack([torch.cat([scale * aspect, zero, x], 1), torch.cat([zero, scale, y], 1)], 1)
    grid = affine_grid(theta, [len(theta), 1, *here.shape[-2:]], align_corners=False)
    moved = grid_sample(there.expand(len(theta), -1, -1, -1), grid, align_corners=False)
    seen = (grid.abs() <= 1).all(-1)[:, None]
    common, union = ((f(moved, here) * seen).flatten(1).sum(1) for f in (torch.minimum, torch.maximum))
    hidden = (here * ~seen).flatten(1).sum(1)
    return torch.where(hidden <= HIDDEN * here.sum(), common / union.clamp(min=1e-6), 0)
