"""A rectified-flow transformer has one fingerprint in diffusers' layout and in ComfyUI's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import comfy.model_detection
import pytest
from safetensors.torch import load_file

import harness
from latent_inversion.inversion_core.backends.comfy.identity import fingerprint_of
from latent_inversion.inversion_core.fingerprint import fingerprint
from latent_inversion.toybox.hosts import comfy_loader


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights and their fingerprints, from a process of diffusers' own: it does not import beside the stand-ins here."""
    folder, tests = tmp_path_factory.mktemp("flow"), Path(harness.__path__[0]).parent
    environment = os.environ | {"PYTHONPATH": str(tests)}
    command = [sys.executable, "-m", "harness.flow_reference", str(folder)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def expected(written: Path) -> dict[str, str]:
    return json.loads((written / "fingerprints.json").read_text())


@pytest.mark.parametrize("name", ["toybox", "sd3", "flux"])
def test_weights_that_comfyui_converted(name: str, written: Path, expected: dict[str, str]) -> None:
    weights = comfy.model_detection.convert_diffusers_mmdit(load_file(str(written / f"{name}.safetensors")))
    weights.pop("pos_embed", None)  # a table of sines, no parameter in either host
    assert fingerprint(weights.values()) == expected[name]


def test_the_loaded_toybox(written: Path, expected: dict[str, str]) -> None:
    model = comfy_loader.load_flow(load_file(str(written / "toybox.safetensors")))
    assert fingerprint_of(model) == expected["toybox"]
