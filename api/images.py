"""Images and masks as people hand them over: a path, a PIL image, a NumPy array or a tensor."""

import os
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..inversion_core.wording import quoted
from ..pictures.errors import UserError
from ..pictures.files import Mask, Pixels, check_mask, mask_of_image, pixels_of_image, read_mask, read_picture

ImageLike: TypeAlias = str | os.PathLike[str] | Image.Image | NDArray[Any] | torch.Tensor
"""A path, a PIL image of any mode, an array [height, width, channels] or a tensor [channels, height, width]: whole numbers
0..255, or 0..1."""
CHANNELS = (1, 3, 4)
ROUNDING = 1e-3
"""How far beyond 0..1 a value may lie by rounding."""


def pixels_of(image: ImageLike) -> Pixels:
    """The pixels [height, width, 3] of one image; transparent parts are put on white.

    Raises UserError if it is no image, more than one, or in another layout or range than `ImageLike` says.
    """
    if isinstance(image, str | os.PathLike):
        return read_picture(os.fspath(image))
    if isinstance(image, Image.Image):
        return pixels_of_image(image, "the image")
    levels = _levels(_last(image, "image"), "image")
    return pixels_of_image(Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels), "the image")


def mask_of(mask: ImageLike, size: tuple[int, int]) -> Mask:
    """A mask as shares 0..1 [height, width], white where the edit may go. Raises UserError as `pixels_of`, and unless it has `size`."""
    if isinstance(mask, str | os.PathLike):
        return read_mask(os.fspath(mask), size)
    if isinstance(mask, Image.Image):
        return check_mask(mask_of_image(mask, "the mask"), size, "The mask")
    values = _last(mask, "mask")
    if values.shape[-1] != 1:
        raise UserError(f"A mask has one channel; got {values.shape[-1]}. Give an array of height x width.")
    return check_mask(_levels(values, "mask")[..., 0].astype(np.float32) / 255, size, "The mask")


def _last(image: object, what: str) -> NDArray[np.generic]:
    """The array [height, width, channels] of one image. Raises UserError at other layouts."""
    if isinstance(image, torch.Tensor):
        return _tensor(image.detach().cpu(), what)
    if not isinstance(image, np.ndarray):
        raise UserError(f"The {what} must be a path, a PIL image, a NumPy array or a tensor; got {_kind(image)}.")
    array = image[0] if image.ndim == 4 and len(image) == 1 else image
    _one(array.ndim, image.shape, what)
    if array.ndim == 2:
        return array[..., None]
    if array.shape[-1] not in CHANNELS:
        if array.shape[0] in CHANNELS:
            raise UserError(
                f"The array {_size(image.shape)} has its channels first. NumPy images are height x width x channels: give "
                "array.transpose(1, 2, 0)."
            )
        raise UserError(f"An image has 1, 3 or 4 channels; the array {_size(image.shape)} has {array.shape[-1]}.")
    return array


def _tensor(tensor: torch.Tensor, what: str) -> NDArray[np.generic]:
    one = tensor[0] if tensor.ndim == 4 and len(tensor) == 1 else tensor
    _one(one.ndim, tuple(tensor.shape), what)
    one = one[None] if one.ndim == 2 else one
    if one.shape[0] not in CHANNELS:
        if one.shape[-1] in CHANNELS:
            raise UserError(
                f"The tensor {_size(tuple(tensor.shape))} has its channels last. Tensors are channels x height x width: give "
                "tensor.movedim(-1, -3)."
            )
        raise UserError(f"An image has 1, 3 or 4 channels; the tensor {_size(tuple(tensor.shape))} has {one.shape[0]}.")
    whole = one.float() if one.is_floating_point() else one
    return np.asarray(whole.movedim(0, -1).numpy())


def _one(axes: int, shape: tuple[int, ...], what: str) -> None:
    if axes == 4:
        raise UserError(f"Expected one {what}, but this is a batch of {shape[0]}. Give them one after another.")
    if axes not in (2, 3) or 0 in shape:
        raise UserError(f"The {what} must have a height, a width and channels; its shape is {_size(shape)}.")


def _levels(values: NDArray[np.generic], what: str) -> NDArray[np.uint8]:
    """Levels 0..255. Raises UserError at values outside of what the array's kind of number says."""
    if values.dtype == bool:
        return values.astype(np.uint8) * 255
    if values.dtype.kind not in "uif":
        raise UserError(f"The {what} holds {values.dtype} instead of numbers. Give whole numbers 0..255, or 0..1.")
    if not np.isfinite(values).all():
        raise UserError(f"The {what} contains values that are not numbers (NaN or infinity).")
    low, high = float(values.min()), float(values.max())
    if values.dtype == np.uint16:
        return np.rint(values.astype(np.float64) / 257).astype(np.uint8)
    if values.dtype.kind in "ui":
        if low < 0 or high > 255:
            raise UserError(f"Whole numbers of the {what} must lie in 0..255; they lie in {low:g}..{high:g}.")
        return values.astype(np.uint8)
    if -1 - ROUNDING <= low < -ROUNDING and high <= 1 + ROUNDING:
        raise UserError(f"The {what} has values from {low:.3g} to {high:.3g}, but expected are 0..1. Give (x + 1) / 2.")
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise UserError(
            f"The {what} has fractions from {low:.3g} to {high:.3g}, but expected are 0..1. Divide by 255, or give whole "
            "numbers (uint8)."
        )
    return np.rint(values.clip(0, 1) * 255).astype(np.uint8)


def _size(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _kind(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}; give them one after another"
    return quoted(value) if value is None else f"a {type(value).__name__}"
