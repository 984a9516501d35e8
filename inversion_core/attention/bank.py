"""Where a source pass leaves what the target pass of the same step needs.

A bank lives for one step: both passes walk side by side, so the source's attention is made anew at every step and never
kept for later ones. A recorded source pass would need a bank for every step at once: for Prompt-to-Prompt on Stable
Diffusion XL at 1024 x 1024 in 16 bits that is 13.9 GB (50 steps, 0.4 and 0.6 of them) instead of 537 MB.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from .site import Site

Key: TypeAlias = tuple[str, str, str, str, int, float, int]


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

    def restored(self) -> Tensor:
        """The tensor on its own device, in its own precision."""
        values = self.values.to(self.device).to(self.dtype)
        return values if self.scale is None else values * self.scale


Slot: TypeAlias = dict[int | None, tuple[Kept, ...]]
"""What calls recorded under one key: of whole batches, under None, or row by row of the picture's batch."""


class Bank:
    """Tensors by (name, block, kind, branch, part, sigma, turn): never by a step counter, so a step may evaluate as often as it likes.

    The turns are those of one evaluation, so what a further pass within it records is for the same pass of the target.

    A call that has only some rows of the batch (`site.rows`) keeps and finds those; calls may split the rows in any way.
    """

    def __init__(self, storage: Storage | None = None) -> None:
        self._storage = storage or Storage()
        self._kept: dict[Key, Slot] = {}

    @property
    def nbytes(self) -> dict[str, int]:
        """The bytes that are kept under each name."""
        sizes: dict[str, int] = {}
        for key, slot in self._kept.items():
            size = sum(kept.nbytes for tensors in slot.values() for kept in tensors)
            sizes[key[0]] = sizes.get(key[0], 0) + size
        return sizes

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def record(self, name: str, site: Site, *tensors: Tensor) -> None:
        """Keep `tensors` of this call, each with a first dimension of rows, under `name`."""
        kept = tuple(stored(tensor, self._storage) for tensor in tensors)
        if site.rows is None:
            self._kept[_key(name, site)] = {None: kept}
            return
        slot = self._kept.setdefault(_key(name, site), {})
        slot.pop(None, None)
        for place, row in enumerate(site.rows):
            slot[row] = tuple(replace(one, values=one.values[place : place + 1]) for one in kept)

    def recall(self, name: str, site: Site) -> tuple[Tensor, ...]:
        """What was recorded at the same site, for its rows. Raises LookupError if nothing was recorded there."""
        try:
            return _rows(self._kept[_key(name, site)], site.rows)
        except KeyError:
            if site.turn and _key(name, replace(site, turn=0)) in self._kept:
                raise LookupError(
                    f"A node on this model runs the network once more in a step for the target ({site.kind}-attention of block "
                    f"{site.block}), but not for the source, so there is no '{name}' for that call. Give source and target the same "
                    "guidance, or remove that node from the model."
                ) from None
            raise LookupError(
                f"The source pass recorded no '{name}' for {site.kind}-attention, {site.branch} part {site.part}, of block "
                f"{site.block} at sigma {site.sigma:.6g}. Source and target need the same grid, solver and areas of conditioning."
            ) from None

    def recall_cond(self, name: str, site: Site) -> tuple[Tensor, ...]:
        """What the conditional branch recorded, in the same turn; for a turn of the other branch that it had not, in its first.

        Raises LookupError if it recorded nothing there.
        """
        there = site.on("cond")
        if site.branch == "uncond" and _key(name, there) not in self._kept:
            there = replace(there, turn=0)
        return self.recall(name, there)

    def named(self, name: str) -> list[tuple[Tensor, ...]]:
        """All that was recorded under `name`, in the order of the calls, where the network was first shown a prompt."""
        return [_rows(slot, None) for key, slot in self._kept.items() if key[0] == name and key[-1] == 0]


def stored(tensor: Tensor, storage: Storage) -> Kept:
    """The tensor as a bank keeps it; a part of a larger one is copied, so that the larger one is not kept with it."""
    values, dtype, scale = tensor, storage.dtype, None
    if dtype is not None and tensor.is_floating_point() and dtype.itemsize < tensor.dtype.itemsize:
        if torch.finfo(dtype).max < torch.finfo(tensor.dtype).max:
            scale = (tensor.abs().amax() / torch.finfo(dtype).max).clamp(min=torch.finfo(tensor.dtype).tiny)
            values = tensor / scale
        values = values.to(dtype)
    if storage.device is not None:
        values = values.to(storage.device)
    if values.untyped_storage().nbytes() > values.numel() * values.element_size():
        values = values.clone()
    return Kept(values, tensor.dtype, tensor.device, scale)


def total(banks: Iterable[Bank]) -> dict[str, int]:
    """The bytes that several banks keep under each name."""
    sizes: dict[str, int] = {}
    for bank in banks:
        for name, size in bank.nbytes.items():
            sizes[name] = sizes.get(name, 0) + size
    return sizes


def _rows(slot: Slot, rows: tuple[int, ...] | None) -> tuple[Tensor, ...]:
    """The rows that are wanted, or all; one row of a whole batch of one serves any. Raises KeyError if one is not there."""
    if None in slot:
        whole = [kept.restored() for kept in slot[None]]
        return tuple(t if rows is None or len(t) == 1 else t[list(rows)] for t in whole)
    wanted = sorted(row for row in slot if row is not None) if rows is None else rows
    found = [tuple(kept.restored() for kept in slot[row]) for row in wanted]
    return found[0] if len(found) == 1 else tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def _key(name: str, site: Site) -> Key:
    return name, site.block, site.kind, site.branch, site.part, site.sigma, site.turn
