"""How a bank keeps a tensor: where, in which precision, and how it comes back."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Storage:
    """How a bank keeps what it is given: as it was recorded, or in the precision `dtype`, on `device`, within `budget` bytes.

    Only what is wider than `dtype` is stored in it, divided by its largest value where the range is smaller too. With
    `lossy` a budget may choose half precision. An edit with the source's own attention is then no longer exact bit for
    bit; on another device it is.
    """

    dtype: torch.dtype | None = None
    device: torch.device | None = None
    budget: int | None = None
    lossy: bool = False

    def precision(self, recorded: torch.dtype) -> torch.dtype:
        """The precision in which a tensor of `recorded` is stored."""
        narrower = self.dtype is not None and recorded.is_floating_point and self.dtype.itemsize < recorded.itemsize
        return self.dtype if self.dtype is not None and narrower else recorded

    def nbytes(self, numel: int, recorded: torch.dtype) -> int:
        """The bytes that so many numbers of the precision `recorded` take."""
        return numel * self.precision(recorded).itemsize


PRECISIONS = {
    "recorded": Storage(),
    "half if needed": Storage(lossy=True),
    "float16": Storage(torch.float16),
    "bfloat16": Storage(torch.bfloat16),
    "float8": Storage(torch.float8_e4m3fn),
}
"""What a person may choose between."""


@dataclass(frozen=True)
class Kept:
    """A tensor in a bank: its values as they are stored, times `scale`, and how it was recorded."""

    values: Tensor
    dtype: torch.dtype
    device: torch.device
    scale: Tensor | None = None

    @property
    def nbytes(self) -> int:
        return self.values.numel() * self.values.element_size()

    def restored(self, rows: slice = slice(None)) -> Tensor:
        """The tensor, or some of its rows, on its own device, in its own precision."""
        values = self.values[rows].to(self.device).to(self.dtype)
        return values if self.scale is None else values * self.scale

    def moved(self, storage: Storage) -> "Kept":
        """The same tensor stored in another way."""
        if storage.precision(self.dtype) != self.values.dtype:
            return stored(self.restored(), storage)
        values = self.values.to(self.device if storage.device is None else storage.device)
        return Kept(values, self.dtype, self.device, self.scale)


def stored(tensor: Tensor, storage: Storage) -> Kept:
    """The tensor as a bank keeps it; a part of a larger one is copied, so that the larger one is not kept with it."""
    values, dtype, scale = tensor, storage.precision(tensor.dtype), None
    if dtype != tensor.dtype:
        if torch.finfo(dtype).max < torch.finfo(tensor.dtype).max:
            scale = (tensor.abs().amax() / torch.finfo(dtype).max).clamp(min=torch.finfo(tensor.dtype).tiny)
            values = tensor / scale
        values = values.to(dtype)
    if storage.device is not None:
        values = values.to(storage.device)
    if values.untyped_storage().nbytes() > values.numel() * values.element_size():
        values = values.clone()
    return Kept(values, tensor.dtype, tensor.device, scale)
