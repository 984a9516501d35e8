"""What the attention banks of an edit keep in a step, counted as they record, and where it fits."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from .free import free_memory
from .kept import Kept, Storage, stored

Free: TypeAlias = Callable[[torch.device], int | None]
"""The bytes that are free on a device, None where that cannot be told: the host's business."""

CPU, NOWHERE = torch.device("cpu"), torch.device("meta")
HALF = torch.float16
SHARE = 0.8
"""How much of the free memory a bank may take; the rest is the network's own."""
ADVICE = "Use fewer blocks, shorter windows, a smaller image or fewer frames at once; or store the bank on the CPU or in half precision."


class BankTooLarge(ValueError):
    """What an edit records does not fit into the memory that it may use."""


@dataclass(frozen=True)
class Memory:
    """How the banks of an edit are to be kept, how much memory is free, and who is told how much they keep and where."""

    storage: Storage = field(default_factory=Storage)
    free: Free = free_memory
    tell: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Call:
    """What one call recorded under a key: of the picture's whole batch, or of its `rows`."""

    rows: tuple[int, ...] | None
    tensors: tuple[Kept, ...]

    @property
    def nbytes(self) -> int:
        return sum(kept.nbytes for kept in self.tensors)

    def outside(self, rows: tuple[int, ...] | None) -> bool:
        """Whether it has rows beside those."""
        return rows is not None and self.rows is not None and not set(self.rows) <= set(rows)


class Ledger:
    """All that the banks of an edit keep in a step, counted as it comes, within the memory that there is.

    It is kept as asked; beyond the budget on the CPU, then in half precision if that is allowed. If no way is left, it is
    only counted, until `check` or a recall raises BankTooLarge. A budget counts for the network's device. Where none is
    given, and on the CPU, it is a share of what is free, asked whenever a step keeps more than any before it: what the
    network has taken by then is no longer free. Without `memory` all is kept as recorded.
    """

    def __init__(self, memory: Memory | None = None, network: torch.device = CPU) -> None:
        self._memory, self._network = memory or Memory(free=lambda device: None), network
        self._ways = _ways(self._memory.storage, network)
        self._calls: dict[tuple[Any, ...], list[Call]] = {}
        self._budgets: dict[torch.device, float] = {}
        self._most: dict[torch.device, int] = {}
        self._held = self._told = 0

    @property
    def calls(self) -> Mapping[tuple[Any, ...], Sequence[Call]]:
        """What is kept, by key. Raises as `check`."""
        self.check()
        return self._calls

    def check(self) -> None:
        """Raises BankTooLarge if what was recorded found no place."""
        if len(self._ways) == 1:
            limits = ", ".join(f"{size(budget)} on {device}" for device, budget in self._budgets.items())
            raise BankTooLarge(f"This edit keeps at least {self} of attention, and may use {limits}. {ADVICE}")

    @property
    def sizes(self) -> dict[str, int]:
        """The bytes that are kept, by what recorded them."""
        sizes: dict[str, int] = {}
        for (_, name, *_), calls in self._calls.items():
            sizes[name] = sizes.get(name, 0) + sum(call.nbytes for call in calls)
        return sizes

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {size(part)}" for name, part in self.sizes.items())
        return f"{size(self._held)} per step" + (f" ({parts})" if len(self.sizes) > 1 else "")

    def keep(self, key: tuple[Any, ...], rows: tuple[int, ...] | None, tensors: Sequence[Tensor]) -> None:
        """Keep what a call recorded, instead of what was recorded under `key` for the same rows."""
        calls = self._calls.setdefault(key, [])
        self._held -= sum(call.nbytes for call in calls)
        calls[:] = [call for call in calls if call.outside(rows)]
        self._held += sum(call.nbytes for call in calls)
        self._make_room(tensors)
        way = self._ways[0]
        calls.append(Call(rows, tuple(stored(tensor, way) for tensor in tensors)))
        self._held += calls[-1].nbytes
        device = way.device or self._network
        self._most[device] = max(self._most.get(device, 0), self._held)

    @contextmanager
    def step(self) -> Iterator[None]:
        """A context for one step: it forgets all at its end, and tells what was kept if that is more than before.

        A torch.OutOfMemoryError then says what was kept by then and what to do. Raises as `check`.
        """
        try:
            yield
            self.check()
            if self._held > self._told:
                self._told = self._held
                self._memory.tell(f"attention memory  {self}{self._place}")
        except torch.OutOfMemoryError as error:
            if not self._held:
                raise
            held = f"The edit's attention bank held {size(self._held)} by then."
            raise torch.OutOfMemoryError(f"{error}\n{held} {ADVICE}") from error
        finally:
            self._calls.clear()
            self._held = 0

    @property
    def _place(self) -> str:
        """Where it is kept if that is not as it was recorded."""
        way, asked = self._ways[0], self._memory.storage
        half = "; stored in half precision" if way.dtype != asked.dtype else ""
        return half + (f"; kept on the {way.device.type}" if way.device not in (None, self._network) else "")

    def _make_room(self, tensors: Sequence[Tensor]) -> None:
        """Move all on to the first way of keeping it in which the tensors fit as well."""
        way = next(way for way in self._ways if self._fits(way, tensors))
        if way is self._ways[0]:
            return
        del self._ways[: self._ways.index(way)]
        for calls in self._calls.values():
            calls[:] = [Call(call.rows, tuple(kept.moved(way) for kept in call.tensors)) for call in calls]
        self._held = sum(call.nbytes for calls in self._calls.values() for call in calls)

    def _fits(self, way: Storage, tensors: Sequence[Tensor]) -> bool:
        device, wanted = way.device or self._network, sum(way.nbytes(t.numel(), t.dtype) for t in tensors)
        if way is self._ways[0]:
            wanted += self._held
        else:
            kept = (one for calls in self._calls.values() for call in calls for one in call.tensors)
            wanted += sum(way.nbytes(one.values.numel(), one.dtype) for one in kept)
        return way is self._ways[-1] or wanted <= self._most.get(device, 0) or wanted <= self._budget(device)

    def _budget(self, device: torch.device) -> float:
        """The bytes that may lie on a device."""
        asked = self._memory.storage
        if asked.budget is not None and device == (asked.device or self._network):
            budget: float = asked.budget
        else:
            free = self._memory.free(device)
            budget = math.inf if free is None else int(SHARE * (free + self._most.get(device, 0)))
        self._budgets[device] = min(budget, self._budgets.get(device, budget))
        return self._budgets[device]


def _ways(storage: Storage, network: torch.device) -> list[Storage]:
    """How a bank may be kept, the best first; the last one keeps no values."""
    devices = [storage.device] if storage.device is not None or network.type == "cpu" else [None, CPU]
    precisions = [None, HALF] if storage.lossy and storage.dtype is None else [storage.dtype]
    ways = [Storage(dtype, device) for dtype in precisions for device in devices]
    return [*ways, Storage(storage.dtype, NOWHERE)]


def size(nbytes: float) -> str:
    """Bytes as a person reads them."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if nbytes >= 0.95 * scale:
            return f"{nbytes / scale:.3g} {unit}"
    return f"{nbytes / 1e3:.3g} kB"
