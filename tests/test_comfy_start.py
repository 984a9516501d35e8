"""What the pack brings into ComfyUI when it is loaded: its own modules, and none of the heavy ones."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.server import environment
from latent_inversion.nodes import NODES

BENCHMARK = Path(__file__).resolve().parent.parent / "benchmarks" / "startup.py"
HEAVY = (
    "diffusers",
    "transformers.pipelines",
    "torchmetrics",
    "matplotlib",
    "scipy",
    "pandas",
    "torchvision",
    "beartype",
)


@pytest.fixture(scope="module")
def started(comfy_checkout: Path) -> dict[str, Any]:
    command = [sys.executable, str(BENCHMARK), str(comfy_checkout), "--once"]
    run = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(run.stdout.splitlines()[-1])


def test_its_own_modules_come_and_no_heavy_ones(started: dict[str, Any]) -> None:
    assert started["nodes"] == sum(map(len, NODES.values()))
    new = started["modules"]
    assert "custom_nodes.pack.nodes.editing.edit_sampler" in new, "the watch misses what is loaded"
    assert not [name for name in new if any(name == heavy or name.startswith(f"{heavy}.") for heavy in HEAVY)]


def test_no_weights_are_read(started: dict[str, Any]) -> None:
    assert not started["weights"]
