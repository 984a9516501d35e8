"""Stopping while libraries and models load."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STOPPED = 130


@contextmanager
def loading() -> Iterator[None]:
    """A context in which Ctrl-C ends the process at once, with one line: libraries catch it, and are then half loaded."""
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(*signalled: Any) -> None:
    print("latent-inversion: stopped", file=sys.stderr, flush=True)
    os._exit(STOPPED)
