"""How much memory is free on a device, asked of the system."""

import ctypes
import os
import re
from pathlib import Path

import torch


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
