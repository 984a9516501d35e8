"""A LATENT on its way through other nodes: where the picture lies in it, and what its mask means."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...inversion_core.backends.comfy.model import is_of_pictures, latent_of
from ..sockets import Frame
from .checks import check_finite
from .common import padded
from .values import check_latent

LIKE, CLEARLY = 0.5, 0.2
"""The correlation from which two latents show one thing, and by how much another way of laying them must be better."""

Box = tuple[int, int, int, int]
"""Top, left, height and width of a part of a latent, in its places."""


@dataclass(frozen=True)
class Place:
    """Where the picture lies in a LATENT: its frame there, and which part of what Inversion Encode made is left (None: not known)."""

    frame: Frame
    first: Frame
    box: Box | None
    ratio: tuple[float, float]


def frame_of(latent: dict[str, Any]) -> Frame | None:
    """The picture's size in a LATENT as it is now: enlarged, shrunk or cropped as the latent was since Inversion Encode.

    None if Inversion Encode did not make it. Raises ValueError if it is no latent of pictures, or was turned or moved so that nobody
    knows where the picture ends.
    """
    check_latent(latent)
    place = place_of(latent)
    return None if place is None else place.frame


def taken(model: Any, latent: dict[str, Any]) -> tuple[Frame | None, Tensor]:
    """The picture's size, and the samples as the model takes them. Raises ValueError as `frame_of` and `latent_of`, and for a clip before a model of pictures."""
    frame = frame_of(latent)
    if frame is not None and (frame.frames or 1) > 1 and is_of_pictures(model):
        raise ValueError(
            f"The latent is one clip of {frame.frames} frames, but this is an image model. Set 'batch' to 'pictures' in Inversion "
            "Encode, so that each image has a latent of its own."
        )
    return frame, latent_of(model, latent["samples"])


def mask_of(latent: dict[str, Any]) -> Tensor | None:
    """A LATENT's noise mask as `[n, 1, height, width]`, of the padded picture where there is one; None if it has none.

    A mask that another node has put there means the picture's pixels; one with a frame axis, `[batch, 1, frames, height,
    width]`, gives one mask for each frame. Raises ValueError if it is not finite, or the latent was turned after it was encoded.
    """
    mask = latent.get("noise_mask")
    if mask is None:
        return None
    check_finite("The latent's mask", mask)
    if mask.ndim == 5:
        mask = mask.movedim(2, 1).flatten(0, 1)[:, :1]
    mask, place = mask.reshape(-1, 1, *mask.shape[-2:]).float().clamp(0, 1), place_of(latent)
    if place is None:
        return mask
    if place.box is None:
        raise ValueError(_moved(latent, "its mask was not"))
    return _laid(mask, place)


def place_of(latent: dict[str, Any]) -> Place | None:
    """Where the picture of Inversion Encode lies; None if the latent does not come from there. Raises as `frame_of`."""
    frame, samples = latent.get("inversion_frame"), latent["samples"]
    if frame is None:
        return None
    kept = latent.get("inversion_samples", samples)
    if kept.shape[2:-2] != samples.shape[2:-2]:
        frame = replace(frame, frames=None, padded_frames=None)
    ratio = (frame.padded_height / kept.shape[-2], frame.padded_width / kept.shape[-1])
    size = tuple(round(side * one) for side, one in zip(samples.shape[-2:], ratio, strict=True))
    box = (0, 0, *kept.shape[-2:]) if kept is samples else _part(_plane(kept), _plane(samples)[0])
    if box is None and frame.is_padded:
        raise ValueError(_moved(latent, "the image was padded at the right and the bottom to fit the model"))
    shown = size if box is None else _shown(frame, box, size, ratio)
    return Place(replace(frame, **_sides(*shown), **_sides(*size, "padded_")), frame, box, ratio)


def _shown(frame: Frame, box: Box, size: tuple[int, ...], ratio: tuple[float, float]) -> tuple[int, ...]:
    """Height and width of the picture in a latent of `size` pixels that is that part of the padded one."""
    shown = []
    for start, length, side, whole, one in zip(box[:2], box[2:], (frame.height, frame.width), size, ratio, strict=True):
        if side <= start * one:
            raise ValueError(
                "The latent was cropped to a part that contains nothing of the image, only the padding that Inversion Encode added "
                "at the right or the bottom. Crop the image before encoding instead."
            )
        shown.append(max(1, round(min(side - start * one, length * one) * whole / (length * one))))
    return tuple(shown)


def _sides(height: int, width: int, which: str = "") -> dict[str, int]:
    return {f"{which}height": height, f"{which}width": width}


def _moved(latent: dict[str, Any], why: str) -> str:
    rows, columns = latent["samples"].shape[-2:]
    return (
        f"The latent, now {columns} x {rows}, was rotated, flipped or cropped after Inversion Encode in a way that cannot be "
        f"followed, and {why}. Rotate, flip or crop the image before encoding instead."
    )


def _laid(mask: Tensor, place: Place) -> Tensor:
    """A mask of the picture, or of the padded one, on the latent as it is now."""
    first, frame, box = place.first, place.frame, place.box
    if mask.shape[-2:] != (first.padded_height, first.padded_width):
        mask = _resized(mask, (first.height, first.width)).movedim(1, -1)
        mask = padded(mask, first.padded_height, first.padded_width).movedim(-1, 1)
    top, left, height, width = (round(n * one) for n, one in zip(box, place.ratio * 2, strict=True))
    return _resized(mask[..., top : top + height, left : left + width], (frame.padded_height, frame.padded_width))


def _resized(values: Tensor, size: tuple[int, ...]) -> Tensor:
    if tuple(values.shape[-2:]) == size:
        return values
    return interpolate(values, size, mode="bilinear", antialias=True).clamp(0, 1)


def _plane(samples: Tensor) -> Tensor:
    """Of every row its first frame, `[batch, channels, height, width]`."""
    return samples[:, :, 0] if samples.ndim == 5 else samples


def _part(kept: Tensor, now: Tensor) -> Box | None:
    """Which part of `kept`, of any of its rows, `now` shows at some size; None if it was turned, or cannot be known."""
    whole = (0, 0, *kept.shape[-2:])
    if kept.shape[1:] == now.shape and (kept == now).flatten(1).all(1).any():
        return whole
    windows = [box for row in kept for box in _windows(row, now)]
    if len(set(windows)) == 1:
        return windows[0]
    centre = _centre(kept.shape[-2:], now.shape[-2:])
    straight, middle = _likeness(kept, now), _likeness(kept, now, centre)
    if max(_likeness(turned, now) for turned in _turns(kept)) > max(straight, middle, LIKE - CLEARLY) + CLEARLY:
        return None
    if middle > straight + CLEARLY:
        return centre
    return whole if straight >= LIKE or centre == whole else None


def _windows(row: Tensor, now: Tensor) -> Iterator[Box]:
    """The places at which a smaller latent is, value by value, a part of another one."""
    height, width = now.shape[-2:]
    rows, columns = row.shape[-2] - height + 1, row.shape[-1] - width + 1
    if rows < 1 or columns < 1 or len(row) != len(now) or rows * columns == 1:
        return
    corners = (row[:, :rows, :columns] == now[:, :1, :1]).all(0).nonzero().tolist()
    for top, left in corners:
        if torch.equal(row[:, top : top + height, left : left + width], now):
            yield top, left, height, width


def _centre(size: torch.Size, other: torch.Size) -> Box:
    """The largest part in the middle of a latent that has another's proportions, but for a place."""
    (height, width), (rows, columns) = size, other
    if abs(rows * width - columns * height) <= max(height, width):  # sizes are rounded
        return 0, 0, height, width
    if width * rows > height * columns:
        left = round((width - height * columns / rows) / 2)
        return 0, left, height, width - 2 * left
    top = round((height - width * rows / columns) / 2)
    return top, 0, height - 2 * top, width


def _turns(kept: Tensor) -> Iterator[Tensor]:
    """The seven other ways in which a latent can be rotated and flipped."""
    for mirrored in (kept, kept.flip(-1)):
        for quarters in range(4):
            if quarters or mirrored is not kept:
                yield mirrored.rot90(quarters, (-2, -1))


def _likeness(kept: Tensor, now: Tensor, box: Box | None = None) -> float:
    """The correlation of a latent with the likest row of another, of which it may be a part at another size."""
    top, left, height, width = box or (0, 0, *kept.shape[-2:])
    part = kept[:, :, top : top + height, left : left + width].float()
    if len(kept[0]) != len(now):
        return 0.0
    small = tuple(min(pair) for pair in zip(part.shape[-2:], now.shape[-2:], strict=True))
    ours, theirs = (interpolate(one, small, mode="bilinear", antialias=True) for one in (part, now[None].float()))
    ours, theirs = (one - one.mean((-2, -1), keepdim=True) for one in (ours, theirs))
    scale = ours.flatten(1).norm(dim=1) * theirs.norm()
    return float(((ours * theirs).flatten(1).sum(1) / scale.clamp_min(1e-12)).max())
