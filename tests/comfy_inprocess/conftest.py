"""Tests here may `import comfy...`: they run with one ComfyUI on sys.path (COMFYUI_CHECKOUT), on the CPU.

By hand: COMFYUI_CHECKOUT=~/comfy/ComfyUI python -m pytest tests/comfy_inprocess
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import tiny_comfy
from harness.inprocess import boot

boot(Path(os.environ["COMFYUI_CHECKOUT"]).expanduser().resolve())


@pytest.fixture(scope="module")
def in_a_node() -> Iterator[None]:
    """ComfyUI runs nodes, and loads models, in inference mode."""
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def model(in_a_node: None) -> Any:
    """A tiny Stable Diffusion 1.5."""
    return tiny_comfy.tiny_sd15()


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty output and an empty input folder of ComfyUI's, side by side."""
    import folder_paths

    for kind in ("output", "input"):
        (tmp_path / kind).mkdir()
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    return tmp_path
