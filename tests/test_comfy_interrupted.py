"""Ctrl-C, or the death of a test process, leaves no server behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.children import TIED

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
TESTS = Path(__file__).resolve().parent
WAITS = """
import time
from pathlib import Path
from harness.server import ComfyServer

def test_it_waits(tmp_path):
    with ComfyServer(Path({checkout!r}), tmp_path) as server:
        Path({told!r}).write_text(str(server.process.pid))
        time.sleep(300)
"""
CHILD = """
import subprocess, time
from harness.children import TIED

child = subprocess.Popen(["sleep", "300"], **TIED)
open({told!r}, "w").write(str(child.pid))
time.sleep(300)
"""


def until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (reached := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return reached


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def left_behind(command: list[str], told: Path, signal_number: int, folder: Path) -> bool:
    """Whether the process whose id the command writes to `told` outlives a signal to the command and its workers."""
    paths = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    run = subprocess.Popen([sys.executable, *command], cwd=folder, env={**os.environ, "PYTHONPATH": paths}, **TIED)
    try:
        assert until(lambda: told.is_file() and told.read_text() != "", 300), "it has started nothing"
        assert alive(int(told.read_text()))
        os.killpg(run.pid, signal_number)
        run.wait(60)
        return not until(lambda: not alive(int(told.read_text())), 30)
    finally:
        run.kill()


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    told = tmp_path / "told"
    assert not left_behind(["-c", CHILD.format(told=str(told))], told, signal.SIGKILL, tmp_path)


@pytest.mark.newest_only("how a process ends does not depend on what runs in it")
def test_ctrl_c_ends_the_server_of_a_worker(comfy_checkout: Path, tmp_path: Path) -> None:
    told, test = tmp_path / "told", tmp_path / "test_waits.py"
    test.write_text(WAITS.format(checkout=str(comfy_checkout), told=str(told)))
    command = ["-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider", "-c", os.devnull, str(test)]
    assert not left_behind(command, told, signal.SIGINT, tmp_path)
