"""Picture files of any size and kind, as the models want them and back."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from ..inversion_core.files.writing import writing
from ..inversion_core.wording import plain
from .errors import UserError

Pixels = NDArray[np.uint8]
"""Levels 0..255 [height, width, 3]."""
Mask = NDArray[np.float32]
"""Shares 0..1 [height, width]."""


def read_picture(path: str | Path) -> Pixels:
    """The pixels [height, width, 3] of a picture file, turned upright; transparent parts are put on white."""
    return pixels_of_image(_open(path), path)


def pixels_of_image(image: Image.Image, name: str | Path) -> Pixels:
    """The same of a picture in memory, which messages call `name`."""
    image = ImageOps.exif_transpose(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(_eight_bit(image, name).convert("RGB"))


def read_mask(path: str | Path, size: tuple[int, int]) -> Mask:
    """A mask picture as values 0..1 [height, width], white where the edit may go. Raises UserError unless it has `size`."""
    return check_mask(mask_of_image(_open(path), path), size, f"The mask {path}")


def mask_of_image(image: Image.Image, name: str | Path) -> Mask:
    """The same of a picture in memory, of any size."""
    upright = ImageOps.exif_transpose(image)
    return np.asarray(_eight_bit(upright, name).convert("L"), dtype=np.float32) / 255


def check_mask(mask: Mask, size: tuple[int, int], name: str) -> Mask:
    """The mask. Raises UserError unless it has `size`, and something may change."""
    if mask.shape != size:
        raise UserError(
            f"{name} is {mask.shape[1]} x {mask.shape[0]}, but the image is {size[1]} x {size[0]}. Draw the mask on a copy "
            "of the image, white where the edit may act and black elsewhere."
        )
    if not mask.any():
        raise UserError(f"{name} is black everywhere, so nothing could change. Make the region to edit white.")
    return mask


def write_picture(path: str | Path, pixels: Pixels) -> None:
    """Write a picture file, whole or not at all; the folder is made if need be.

    Raises UserError if the name has no ending of a picture format, and OSError with the name if it cannot be written.
    """
    path = Path(path)
    try:
        kind = format_of(path)
    except KeyError as error:
        raise UserError(f"{path} does not end like an image file. Use a name like {path.stem}.png.") from error
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, kind)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write to, in whose place `path` is there afterwards; its folder is made if need be. Raises OSError with the name."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path) as temporary:
            yield temporary
    except OSError as error:
        raise OSError(plain(f"{path} was not written: {error.strerror or error}")) from error


def format_of(path: Path) -> str:
    """Pillow's name for the kind of picture that a file's ending names. Raises KeyError if there is none."""
    return Image.registered_extensions()[path.suffix.lower()]


def to_tensor(pixels: Pixels, multiple: int = 1) -> Tensor:
    """A picture [1, 3, height, width] in 0..1, widened by reflection at its right and lower edge to a multiple."""
    height, width = pixels.shape[:2]
    room = ((0, -height % multiple), (0, -width % multiple), (0, 0))
    padded = np.pad(pixels, room, mode="reflect")
    return torch.from_numpy(padded.copy()).permute(2, 0, 1)[None].float() / 255


def mask_to_tensor(mask: Mask, multiple: int = 1) -> Tensor:
    """A mask [1, 1, height, width] widened like its picture."""
    room = [(0, -side % multiple) for side in mask.shape]
    return torch.from_numpy(np.pad(mask, room, mode="reflect").copy())[None, None]


def to_pixels(picture: Tensor, size: tuple[int, int] | None = None) -> Pixels:
    """The pixels of a picture [1, 3, height, width], cut back to `size`, the height and width before widening."""
    height, width = size or (picture.shape[-2], picture.shape[-1])
    levels = picture[0, :, :height, :width].clamp(0, 1) * 255
    return levels.round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def paste_edit(original: Pixels, edited: Pixels, mask: Mask) -> Pixels:
    """The edited pixels by the share that the mask gives them; where it is black, the original's, exactly."""
    share = mask[..., None]
    mixed = np.rint(share * edited + (1 - share) * original).astype(np.uint8)
    return np.where(share > 0, mixed, original)


def thumbnail(pixels: Pixels, side: int = 256) -> Tensor:
    """A small copy, uint8 [height, width, 3]."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side))
    return torch.from_numpy(np.array(image))


def shrink(pixels: Pixels, side: int) -> Pixels:
    """The picture with its longer side brought down to `side`, or as it is if it is not longer."""
    scale = side / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _open(path: str | Path) -> Image.Image:
    check_is_file(path, "image")
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except Exception as error:  # whatever a format's reader stumbles over in a file that is broken, or made to break it
        raise UserError(f"{path} cannot be read as an image: {plain(str(error), 200)}.") from error


def check_is_file(path: str | Path, what: str) -> None:
    """Raises UserError unless there is a file; a pipe would be waited for."""
    if not os.path.exists(path):
        raise UserError(f"There is no {what} {path}.")
    if not os.path.isfile(path):
        raise UserError(f"{path} is a folder or a device, not a file. Name a file with the {what}.")


def _eight_bit(image: Image.Image, name: str | Path) -> Image.Image:
    """Pictures of 16 or 32 bits scaled to 8; the others as they are. Raises UserError if values are not finite."""
    if image.mode[0] not in "IF":
        return image
    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise UserError(f"{name} contains values that are not numbers (NaN or infinity). Save the image again.")
    top = 65535 if image.mode.startswith("I") and values.max() > 255 else 255 if values.max() > 1 else 1
    return Image.fromarray(np.rint(values.clip(0, top) / top * 255).astype(np.uint8))
