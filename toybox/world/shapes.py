"""Coordinates, signed distances and paint: the alphabet of the drawing. Everything is [n, c, height, width]."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .scene import Scene

EDGE = 2.2 / 128  # width of an antialiased edge, in half pictures


@dataclass(frozen=True)
class Place:
    """Where each pixel lies: in the picture, on the body, on the (tilted) head. Each tensor is [n, 1, h, w]."""

    x: Tensor
    y: Tensor
    body_x: Tensor
    body_y: Tensor
    head_x: Tensor
    head_y: Tensor


def place_of(scenes: Sequence[Scene], size: int) -> Place:
    """Return the coordinates of every pixel of a picture of the given size, for each scene."""
    axis = (torch.arange(size) + 0.5) * (2 / size) - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    x, y = x[None, None], y[None, None]
    scale, tilt = as_column(scenes, "size"), as_column(scenes, "tilt")
    body_x, body_y = (x - as_column(scenes, "cx")) / scale, (y - as_column(scenes, "cy")) / scale
    head_x = body_x * tilt.cos() + body_y * tilt.sin()
    head_y = body_y * tilt.cos() - body_x * tilt.sin()
    return Place(x.expand_as(body_x), y.expand_as(body_y), body_x, body_y, head_x, head_y)


def as_column(scenes: Sequence[Scene], name: str, index: int | None = None) -> Tensor:
    """Return one nuisance of all scenes as [n, channels, 1, 1]; index picks one channel of a tuple."""
    values = torch.tensor([getattr(scene, name) for scene in scenes], dtype=torch.float32).reshape(len(scenes), -1)
    return (values if index is None else values[:, index : index + 1])[..., None, None]


def is_value(scenes: Sequence[Scene], name: str, value: str) -> Tensor:
    """Return 1 where the scene's attribute has the value, else 0, as [n, 1, 1, 1]."""
    return torch.tensor([float(getattr(scene, name) == value) for scene in scenes])[:, None, None, None]


def colours(scenes: Sequence[Scene], name: str, palette: Mapping[str, tuple[float, float, float]]) -> Tensor:
    """Return the palette colour of each scene's attribute as [n, 3, 1, 1]."""
    return torch.tensor([palette[getattr(scene, name)] for scene in scenes])[..., None, None]


def rgb(red: float, green: float, blue: float) -> Tensor:
    """Return one colour as [1, 3, 1, 1]."""
    return torch.tensor([red, green, blue])[None, :, None, None]


def circle(x: Tensor, y: Tensor, radius: float | Tensor) -> Tensor:
    """Signed distance to a circle around the origin."""
    return (x**2 + y**2).sqrt() - radius


def ellipse(x: Tensor, y: Tensor, width: float | Tensor, height: float | Tensor) -> Tensor:
    """About the signed distance to an ellipse around the origin (half axes; right at the edge, first order)."""
    level = ((x / width) ** 2 + (y / height) ** 2).sqrt()
    slope = ((x / width**2) ** 2 + (y / height**2) ** 2).sqrt()
    return (level - 1) * level / slope.clamp(min=1e-4)


def shared_triangle(side: Tensor, y: Tensor, *, top: float | Tensor, base: float, half_width: float) -> Tensor:
    """About the signed distance to an upright triangle, given the distance `side` >= 0 from its axis."""
    rise = base - top
    slant = (side * rise - half_width * (y - top)) / (rise**2 + half_width**2) ** 0.5
    return torch.maximum(slant, y - base)


def ink(distance: Tensor) -> Tensor:
    """Return the antialiased cover in [0, 1] of a shape, from its signed distance."""
    return (0.5 - distance / EDGE).clamp(0, 1)


def cover(image: Tensor, mask: Tensor, colour: Tensor) -> Tensor:
    """Paint a colour over an image where the mask is 1."""
    return image + (colour - image) * mask
