"""Writes down who connects, starts processes, unpickles or writes files, and whether a watched pack is among the callers.

LATENT_INVERSION_WATCHED names the pack's folder, LATENT_INVERSION_SEEN the file of JSON lines. Standard library only.
"""

import json
import os
import sys
from functools import cache
from types import FrameType
from typing import Any

WATCHED = os.path.realpath(os.environ["LATENT_INVERSION_WATCHED"]) + os.sep
SEEN = os.open(os.environ["LATENT_INVERSION_SEEN"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"}
PROCESSES = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.startfile"}
CODE = {"pickle.find_class", "code.__new__"}
FILES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate"}
KINDS = {
    event: kind for kind, events in (("network", NETWORK), ("process", PROCESSES), ("code", CODE)) for event in events
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def written(event: str, arguments: tuple[Any, ...]) -> list[str]:
    """The paths that an event of the file system changes."""
    if event == "open":
        path, _, flags = arguments
        return [os.path.realpath(path)] if isinstance(path, str | bytes | os.PathLike) and flags & WRITES else []
    count = 2 if event in ("os.rename", "os.link", "os.symlink") else 1
    return [os.path.realpath(path) for path in arguments[:count] if isinstance(path, str | bytes | os.PathLike)]


@cache
def is_watched(file: str) -> bool:
    return os.path.realpath(file).startswith(WATCHED)


def caller(frame: FrameType | None) -> str | None:
    """The innermost line of the watched pack that led here; None if none did."""
    while frame is not None:
        if is_watched(frame.f_code.co_filename):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return None


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in FILES:
        kind, details = "file", written(event, arguments)
    elif event in KINDS:
        kind, details = KINDS[event], [repr(arguments)[:300]]
    else:
        return
    for detail in details:
        line = {"kind": kind, "event": event, "detail": os.fsdecode(detail), "by": caller(sys._getframe(1))}
        os.write(SEEN, (json.dumps(line) + "\n").encode())


sys.addaudithook(watch)
