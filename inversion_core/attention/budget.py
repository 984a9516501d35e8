"""What an attention bank needs, and how it is kept within the memory that there is."""

import ctypes
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import torch

from .bank import Bank, Storage, total

Free: TypeAlias = Callable[[torch.device], int | None]
"""The bytes that are free on a device, None where that cannot be told: the host's business."""

CPU = torch.device("cpu")
HALF = torch.float16
SHARE = 0.8
"""How much of the free memory a bank may take; the rest is the network's own."""
ADVICE = "Use fewer blocks, shorter windows, a smaller image or fewer frames at once; or store the bank on the CPU or in half precision."


class BankTooLarge(ValueError):
    """What an edit records does not fit into the memory that it may use."""


@dataclass(frozen=True)
class Need:
    """The most that an edit's banks keep in any step: `recorded` bytes by what records them.

    `half` is the same in half precision, where that is allowed. Unless it is `exact` the edit may keep more.
    """

    recorded: Mapping[str, int] = field(default_factory=dict)
    half: Mapping[str, int] = field(default_factory=dict)
    exact: bool = True

    @property
    def nbytes(self) -> int:
        return sum(self.recorded.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {size(part)}" for name, part in self.recorded.items())
        least = "" if self.exact else "at least "
        return f"{least}{size(self.nbytes)} per step" + (f" ({parts})" if len(self.recorded) > 1 else "")


@dataclass(frozen=True)
class Fitted:
    """How a bank is to be kept, and in words what was decided about it."""

    storage: Storage
    words: str


def fit(need: Need, storage: Storage, network: torch.device, free: Free) -> Fitted:
    """Where and how a bank that needs `need` is kept: as asked, else on the CPU, else in half precision if that is allowed.

    The budget counts for the network's device; where none is given, and on the CPU, it is a share of what is free. Raises BankTooLarge
    if no way is left.
    """
    place = storage.device or network
    cpu = [] if place.type == "cpu" or storage.device is not None else [CPU]
    halves = [False, True] if storage.lossy and storage.dtype is None else [False]
    budgets = {device: _share(free(device)) for device in (place, *cpu)}
    budgets |= {} if storage.budget is None else {place: storage.budget}
    for half in halves:
        wanted = sum((need.half if half else need.recorded).values())
        for device in (place, *cpu):
            budget = budgets[device]
            if budget is None or wanted <= budget:
                words = [f"attention bank  {need}"]
                words += [f"stored in half precision, {size(wanted)}"] if half else []
                words += [f"kept on the {device.type}"] if device != network else []
                moved = device if device != network or storage.device else None
                return Fitted(replace(storage, device=moved, dtype=HALF if half else storage.dtype), "; ".join(words))
    limits = ", ".join(f"{size(budget or 0)} on {device}" for device, budget in budgets.items())
    raise BankTooLarge(f"This edit keeps {need} of attention, and may use {limits}. {ADVICE}")


def _share(free: int | None) -> int | None:
    return None if free is None else int(SHARE * free)


def size(nbytes: int) -> str:
    """Bytes as a person reads them."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if nbytes >= 0.95 * scale:
            return f"{nbytes / scale:.3g} {unit}"
    return f"{nbytes / 1e3:.3g} kB"


@contextmanager
def advised(banks: Sequence[Bank]) -> Iterator[None]:
    """A context whose torch.OutOfMemoryError says what the banks kept and what to do; they are empty then."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        kept = sum(total(banks).values())
        for bank in banks:
            bank.clear()
        if not kept:
            raise
        raise torch.OutOfMemoryError(
            f"{error}\nThe edit's attention bank held {size(kept)} by then. {ADVICE}"
        ) from error


def free_memory(device: torch.device) -> int | None:
    """The bytes that could still be taken on a device: the graphics card's own, or the system's. None where that cannot be told."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type not in ("cpu", "mps"):
        return None
    return _windows() if os.name == "nt" else _linux()


def _linux() -> int | None:
    """What Linux could give without swapping; None on other systems."""
    facts = Path("/proc/meminfo")
    found = re.search(r"MemAvailable:\s+(\d+) kB", facts.read_text()) if facts.exists() else None
    return 1024 * int(found[1]) if found else None


def _windows() -> int | None:
    """What GlobalMemoryStatusEx calls available."""

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *((name, ctypes.c_uint64) for name in ("total", "available", "a", "b", "c", "d", "e")),
        )

    status = Status(length=ctypes.sizeof(Status))
    asked = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined,unused-ignore]
    return int(status.available) if asked else None
