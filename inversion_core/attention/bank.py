"""Where a source pass leaves what the target pass of the same step needs."""

from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .site import Site


Key: TypeAlias = tuple[str, str, str, str, int, float]


Slot: TypeAlias = dict[int | None, tuple[Tensor, ...]]
"""What calls recorded under one key: of whole batches, under None, or row by row of the picture's batch."""


class Bank:
    """Tensors by (name, block, kind, branch, part, sigma): never by a step counter, so a step may evaluate as often as it likes.

    A call that has only some rows of the batch (`site.rows`) keeps and finds those; calls may split the rows in any way.
    """

    def __init__(self) -> None:
        self._kept: dict[Key, Slot] = {}

    def record(self, name: str, site: "Site", *tensors: Tensor) -> None:
        """Keep `tensors` of this call, each with a first dimension of rows, under `name`."""
        if site.rows is None:
            self._kept[_key(name, site)] = {None: tensors}
            return
        slot = self._kept.setdefault(_key(name, site), {})
        slot.pop(None, None)
        for place, row in enumerate(site.rows):
            slot[row] = tuple(tensor[place : place + 1] for tensor in tensors)

    def recall(self, name: str, site: "Site") -> tuple[Tensor, ...]:
        """What was recorded at the same site, for its rows. Raises LookupError if nothing was recorded there."""
        try:
            return _rows(self._kept[_key(name, site)], site.rows)
        except KeyError:
            raise LookupError(
                f"The source pass recorded no '{name}' for {site.kind}-attention, {site.branch} part {site.part}, of block "
                f"{site.block} at sigma {site.sigma:.6g}. Source and target need the same grid, solver and areas of conditioning."
            ) from None

    def named(self, name: str) -> list[tuple[Tensor, ...]]:
        """All that was recorded under `name`, in the order of the calls."""
        return [_rows(slot, None) for key, slot in self._kept.items() if key[0] == name]


def _rows(slot: Slot, rows: tuple[int, ...] | None) -> tuple[Tensor, ...]:
    """The rows that are wanted, or all; one row of a whole batch of one serves any. Raises KeyError if one is not there."""
    if None in slot:
        return tuple(t if rows is None or len(t) == 1 else t[list(rows)] for t in slot[None])
    found = [slot[row] for row in (sorted(row for row in slot if row is not None) if rows is None else rows)]
    return found[0] if len(found) == 1 else tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def _key(name: str, site: "Site") -> Key:
    return name, site.block, site.kind, site.branch, site.part, site.sigma
