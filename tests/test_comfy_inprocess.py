"""Runs `tests/comfy_inprocess/`, whose tests import ComfyUI, in processes of their own: one for each checkout and part."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.checkouts import EVERY_VERSION, NOT_FOUND, comfy_checkouts, newest
from harness.children import TIED

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "comfy_inprocess"
PARTS = {"equal prompts": ["test_equal_prompts.py"], "patches": ["test_patches.py"], "the rest": []}
"""The files that take longest run beside the others, so that all workers have something to do."""
OUTER = ("PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_ADDOPTS")
CHECKOUTS = comfy_checkouts()
RUNS = [
    pytest.param(path, part, id=f"{path.name}-{part}", marks=pytest.mark.comfy) for path in CHECKOUTS for part in PARTS
]


def files_of(part: str) -> list[str]:
    """A part's files; "the rest" is what no other part names."""
    named = [name for names in PARTS.values() for name in names]
    rest = sorted(path.name for path in FOLDER.glob("test_*.py") if path.name not in named)
    return [str(FOLDER / name) for name in PARTS[part] or rest]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("comfy_checkout", "part"),
    RUNS or [pytest.param(None, "", id="none", marks=[pytest.mark.comfy, pytest.mark.skip(reason=NOT_FOUND)])],
)
def test_comfy_inprocess(comfy_checkout: Path, part: str) -> None:
    everything = EVERY_VERSION or comfy_checkout == newest(CHECKOUTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if name not in OUTER}
    run = subprocess.run(
        [*command, *([] if everything else ["-m", "not newest_only"]), *files_of(part)],
        cwd=HERE.parent,
        env={**environment, "COMFYUI_CHECKOUT": str(comfy_checkout)},
        capture_output=True,
        text=True,
        **TIED,
    )
    if run.returncode:
        said = f"{run.stdout}\n{run.stderr}"
        pytest.fail(f"the in-process tests of {part} fail against {comfy_checkout}:\n{said}", pytrace=False)
