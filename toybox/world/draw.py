"""Draws scenes: signed distances to smooth shapes, layer upon layer, for many scenes at once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .palette import CLOTH, FUR, GROUND, LIGHT, PLANT, SKY_LOW, SKY_TOP, SUN
from .scene import Scene
from .shapes import Place, as_column, circle, colours, cover, ellipse, ink, is_value, place_of, rgb, shared_triangle
from .styles import apply_style

SIZE = 128
BACKGROUND, SHIRT, HEAD = 0, 1, 2  # layers: what moves together


def render(scenes: Sequence[Scene]) -> Tensor:
    """Draw scenes: float32 [n, 3, 128, 128] in [0, 1].

    Raises:
        ValueError: no scene at all.
    """
    if not scenes:
        raise ValueError("render needs at least one scene, got none")
    place = place_of(scenes, SIZE)
    light = colours(scenes, "time", LIGHT) * as_column(scenes, "light")
    image = _background(scenes, place, light)
    image = _animal(scenes, place, light, image)
    return apply_style(scenes, place, image).clamp(0, 1)


def _background(scenes: Sequence[Scene], place: Place, light: Tensor) -> Tensor:
    fade = ((place.y + 1) / 1.5).clamp(0, 1)
    image = colours(scenes, "time", SKY_TOP) * (1 - fade) + colours(scenes, "time", SKY_LOW) * fade
    sun = circle(place.x - as_column(scenes, "sun"), place.y + 0.68, 0.17)
    image = cover(image, ink(sun), colours(scenes, "time", SUN))
    ground = colours(scenes, "place", GROUND) * light
    image = cover(image, _hill(place, as_column(scenes, "hills", 0), 0.02), ground * 0.78)
    for index in range(2):
        image = cover(image, ink(_plant(scenes, place, index)), colours(scenes, "place", PLANT) * light)
    near = ground * (1.06 - 0.18 * (place.y - 0.3))
    return cover(image, _hill(place, as_column(scenes, "hills", 1), 0.36), near)


def _hill(place: Place, phase: Tensor, height: float) -> Tensor:
    return ink(height + 0.10 * torch.sin(2.6 * place.x + phase) - place.y)


def _plant(scenes: Sequence[Scene], place: Place, index: int) -> Tensor:
    """Signed distance of a round tree on a meadow, a cactus in the desert, a fir in the snow."""
    x, y = place.x - as_column(scenes, "plants", index), place.y
    trunk = torch.maximum(x.abs() - 0.045, (y - 0.2).abs() - 0.25)
    tree = torch.minimum(circle(x, y + 0.16, 0.21), trunk)
    arm = torch.minimum(
        torch.maximum(x.abs() - 0.2, (y + 0.02).abs() - 0.05),
        torch.maximum((x.abs() - 0.17).abs() - 0.05, (y + 0.1).abs() - 0.12),
    )
    cactus = torch.minimum(torch.maximum(x.abs() - 0.075, (y - 0.05).abs() - 0.38), arm)
    fir = torch.maximum(shared_triangle(x.abs(), y, top=-0.42, base=0.2, half_width=0.22), y - 0.2)
    shapes = {"meadow": tree, "desert": cactus, "snow": torch.minimum(fir, trunk)}
    return sum(is_value(scenes, "place", name) * shape for name, shape in shapes.items())


def _animal(scenes: Sequence[Scene], place: Place, light: Tensor, image: Tensor) -> Tensor:
    x, y = place.head_x, place.head_y
    fur = (colours(scenes, "fur", FUR) + as_column(scenes, "fur_tint")).clamp(0, 1) * light
    shade = (1 - 0.22 * (x + y)).clamp(0.7, 1.2)
    image = cover(image, ink(_ears(scenes, x.abs(), y)), fur * shade * 0.82)
    image = cover(image, ink(body_distance(place)), _shirt(scenes, place) * light)
    image = cover(image, ink(head_distance(x, y)), fur * shade)
    image = _face(scenes, x, y, light, fur, image)
    return _accessory(scenes, x, y, light, image)


def head_distance(x: Tensor, y: Tensor) -> Tensor:
    """Signed distance to the head in head coordinates."""
    return ellipse(x, y, 0.46, 0.42)


def body_distance(place: Place) -> Tensor:
    """Signed distance to the shirt: rounded shoulders that widen downwards."""
    y = place.body_y - 0.40
    return torch.maximum(place.body_x.abs() - 0.34 - 0.32 * y.clamp(min=0).sqrt(), -y) * 0.8


def _ears(scenes: Sequence[Scene], side: Tensor, y: Tensor) -> Tensor:
    grow = as_column(scenes, "ear")
    lean = side - 0.24 + 0.22 * (y + 0.3)  # a rabbit's ears lean outwards
    shapes = {
        "cat": shared_triangle((side - 0.29 + 0.12 * (y + 0.4)).abs(), y, top=-0.74 * grow, base=-0.1, half_width=0.23),
        "dog": ellipse(side - 0.46 - 0.12 * y, y - 0.02, 0.14 * grow, 0.36 * grow),
        "rabbit": ellipse(lean, y + 0.58, 0.115, 0.36 * grow),
        "bear": circle(side - 0.36, y + 0.34, 0.18 * grow),
    }
    return sum(is_value(scenes, "animal", name) * shape for name, shape in shapes.items())


def _shirt(scenes: Sequence[Scene], place: Place) -> Tensor:
    cloth = (colours(scenes, "shirt", CLOTH) + as_column(scenes, "shirt_tint")).clamp(0, 1)
    cloth = cloth * (1.04 - 0.25 * (place.body_x + 0.1).abs())
    fold = as_column(scenes, "fold")
    row = (place.body_y / 0.26 + fold) % 1 - 0.5
    stripes = ink((row.abs() - 0.25) * 0.26)
    across, down = place.body_x / 0.3 + fold, place.body_y / 0.3 + 0.5
    dots = ink((((across % 1 - 0.5) ** 2 + (down % 1 - 0.5) ** 2).sqrt() - 0.32) * 0.3)
    mark = stripes * is_value(scenes, "pattern", "striped") + dots * is_value(scenes, "pattern", "dotted")
    return cover(cloth, mark * 0.85, rgb(0.97, 0.96, 0.93))


def _face(scenes: Sequence[Scene], x: Tensor, y: Tensor, light: Tensor, fur: Tensor, image: Tensor) -> Tensor:
    wide = 0.17 * is_value(scenes, "animal", "cat") + 0.25 * is_value(scenes, "animal", "dog")
    wide = wide + 0.16 * is_value(scenes, "animal", "rabbit") + 0.22 * is_value(scenes, "animal", "bear")
    image = cover(image, ink(ellipse(x, y - 0.2, wide, 0.15)), fur * 0.55 + 0.42 * light)
    image = cover(image, ink(ellipse(x, y - 0.13, 0.35 * wide, 0.055)), rgb(0.16, 0.11, 0.12))
    grow = as_column(scenes, "eye")
    eye_x, eye_y = x.abs() - 0.19, y + 0.08
    image = cover(image, ink(circle(eye_x, eye_y, 0.10 * grow)), rgb(0.98, 0.98, 0.98) * (0.35 + 0.65 * light))
    return cover(image, ink(circle(eye_x, eye_y, 0.058 * grow)), rgb(0.07, 0.07, 0.10))


def _accessory(scenes: Sequence[Scene], x: Tensor, y: Tensor, light: Tensor, image: Tensor) -> Tensor:
    colour = colours(scenes, "accessory_color", CLOTH) * light
    glasses, hat = _glasses_and_hat(scenes, x, y)
    image = cover(image, glasses, colour)
    return cover(image, hat, colour * (1 - 0.35 * x))


def _glasses_and_hat(scenes: Sequence[Scene], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Cover of thick glasses with tinted lenses, and of a hat; zero where the scene has none."""
    lens = circle(x.abs() - 0.2, y + 0.08, 0.155)
    bridge = torch.maximum(x.abs() - 0.08, (y + 0.09).abs() - 0.035)
    frame = torch.minimum(lens.abs() - 0.045, bridge)
    brim = ellipse(x, y + 0.31, 0.43, 0.085)
    crown = torch.maximum(x.abs() - 0.215 + 0.1 * (y + 0.5), (y + 0.55).abs() - 0.24)
    glasses = torch.maximum(ink(lens) * 0.35, ink(frame)) * is_value(scenes, "accessory", "glasses")
    return glasses, ink(torch.minimum(brim, crown)) * is_value(scenes, "accessory", "hat")


def layers(scenes: Sequence[Scene]) -> Tensor:
    """Return which layer each pixel shows, BACKGROUND, SHIRT or HEAD: int64 [n, 128, 128]."""
    place = place_of(scenes, SIZE)
    x, y = place.head_x, place.head_y
    accessory = sum(_glasses_and_hat(scenes, x, y)) > 0.5
    layer = torch.full(x.shape, BACKGROUND)
    layer[_ears(scenes, x.abs(), y) < 0] = HEAD
    layer[body_distance(place) < 0] = SHIRT
    layer[(head_distance(x, y) < 0) | accessory] = HEAD
    return layer[:, 0]
