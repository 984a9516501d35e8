"""Processes that end with the test process that starts them, however that one ends."""

import ctypes
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


TIED: dict[str, Any] = (
    {"start_new_session": True, "preexec_fn": _die_with_parent}
    if sys.platform == "linux"
    else {"start_new_session": True}
)
"""Options of subprocess.Popen: a terminal's Ctrl-C reaches the tests alone, which stop the process as they end; if they are
killed, Linux kills it."""
