"""The three looks of a picture: photo (as drawn), painting and sketch."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from .scene import Scene
from .shapes import Place, as_column, is_value, rgb


def apply_style(scenes: Sequence[Scene], place: Place, image: Tensor) -> Tensor:
    """Return the images [n, 3, h, w] in the style of their scenes."""
    painting, sketch = is_value(scenes, "style", "painting"), is_value(scenes, "style", "sketch")
    if painting.any():
        image = image + (_painted(scenes, place, image) - image) * painting
    if sketch.any():
        image = image + (_sketched(image) - image) * sketch
    return image


def _painted(scenes: Sequence[Scene], place: Place, image: Tensor) -> Tensor:
    """Richer, warmer colours in broad low-contrast brush strokes."""
    gray = image.mean(1, keepdim=True)
    rich = gray + (image - gray) * 1.35
    first, second, third = (as_column(scenes, "brush", index) for index in range(3))
    slant = torch.sin(10 * place.x + 7 * place.y + first + 1.5 * torch.sin(4 * place.y + third))
    cross = torch.sin(9 * place.y - 5 * place.x + second + 1.5 * torch.sin(3 * place.x + first))
    strokes = (slant * cross).clamp(-0.5, 0.5) * 2
    return (0.12 + 0.78 * rich) * rgb(1.06, 1.0, 0.86) + 0.05 * strokes


def _sketched(image: Tensor) -> Tensor:
    """Gray paper, faint tones, and soft dark strokes along the edges."""
    tones = _soft(image, 5)
    across = (_shifted(tones, 0, 1) - _shifted(tones, 0, -1)) ** 2
    down = (_shifted(tones, 1, 0) - _shifted(tones, -1, 0)) ** 2
    edge = ((across + down).sum(1, keepdim=True) + 1e-8).sqrt()
    stroke = _soft((edge * 2.2).clamp(0, 0.7), 3)
    gray = 0.22 + 0.74 * image.mean(1, keepdim=True)
    return (gray * (1 - stroke)).expand_as(image)


def _soft(image: Tensor, width: int) -> Tensor:
    margin = (width // 2,) * 4
    return avg_pool2d(pad(image, margin, mode="replicate"), width, stride=1)


def _shifted(image: Tensor, down: int, right: int) -> Tensor:
    padded = pad(image, (1, 1, 1, 1), mode="replicate")
    height, width = image.shape[-2:]
    return padded[..., 1 + down : 1 + down + height, 1 + right : 1 + right + width]
