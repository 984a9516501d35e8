"""Runs `tests/comfy_inprocess/`, whose tests import ComfyUI, in a process of its own for each checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.timeout(1800)
def test_comfy_inprocess(comfy_checkout: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    outer = ("PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_ADDOPTS")
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    run = subprocess.run(
        [*command, str(HERE / "comfy_inprocess")],
        cwd=HERE.parent,
        env={**environment, "COMFYUI_CHECKOUT": str(comfy_checkout)},
        capture_output=True,
        text=True,
    )
    if run.returncode:
        pytest.fail(f"in-process tests against {comfy_checkout}:\n{run.stdout}\n{run.stderr}", pytrace=False)
