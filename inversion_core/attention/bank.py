"""Where a source pass leaves what the target pass of the same step needs.

A bank lives for one step: both passes walk side by side, so the source's attention is made anew at every step and never
kept for later ones. A recorded source pass would need a bank for every step at once: for Prompt-to-Prompt on Stable
Diffusion XL at 1024 x 1024 in 16 bits that is 13.9 GB (50 steps, 0.4 and 0.6 of them) instead of 537 MB.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from .budget import Call, Ledger
from .site import Site

Key: TypeAlias = tuple["Bank", str, str, str, str, int, float, int]


class Bank:
    """Tensors by (name, block, kind, branch, part, sigma, turn): never by a step counter, so a step may evaluate as often as it likes.

    The turns are those of one evaluation, so what a further pass within it records is for the same pass of the target.

    A call that has only some rows of the batch (`site.rows`) keeps and finds those; calls may split the rows in any way.
    A `ledger` that several banks share counts what they keep, and forgets it at the end of a step.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger or Ledger()

    def record(self, name: str, site: Site, *tensors: Tensor) -> None:
        """Keep `tensors` of this call, each with a first dimension of rows, under `name`."""
        self._ledger.keep(self._key(name, site), site.rows, tensors)

    def recall(self, name: str, site: Site) -> tuple[Tensor, ...]:
        """What was recorded at the same site, for its rows. Raises LookupError if nothing was recorded there."""
        try:
            return _rows(self._ledger.calls[self._key(name, site)], site.rows)
        except KeyError:
            if site.turn and self._key(name, replace(site, turn=0)) in self._ledger.calls:
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
        if site.branch == "uncond" and self._key(name, there) not in self._ledger.calls:
            there = replace(there, turn=0)
        return self.recall(name, there)

    def named(self, name: str) -> list[tuple[Tensor, ...]]:
        """All that was recorded under `name`, in the order of the calls, where the network was first shown a prompt."""
        calls = self._ledger.calls.items()
        return [_rows(one, None) for key, one in calls if key[:2] == (self, name) and key[-1] == 0]

    def _key(self, name: str, site: Site) -> Key:
        return self, name, site.block, site.kind, site.branch, site.part, site.sigma, site.turn


def _rows(calls: Sequence[Call], rows: tuple[int, ...] | None) -> tuple[Tensor, ...]:
    """The rows that are wanted, or all; one row of a whole batch of one serves any. Raises KeyError if one is not there."""
    if calls[-1].rows is None:
        whole = [kept.restored() for kept in calls[-1].tensors]
        return tuple(t if rows is None or len(t) == 1 else t[list(rows)] for t in whole)
    places = {row: (call, place) for call in calls for place, row in enumerate(call.rows or ())}
    wanted = (places[row] for row in (sorted(places) if rows is None else rows))
    found = [tuple(kept.restored(slice(place, place + 1)) for kept in call.tensors) for call, place in wanted]
    return found[0] if len(found) == 1 else tuple(torch.cat(parts) for parts in zip(*found, strict=True))
