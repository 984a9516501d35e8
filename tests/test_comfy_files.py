"""Trajectories as files and as pictures in a real ComfyUI: what a file tells, what the film strip shows, what is served."""

import io
import json
import urllib.error
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from harness.events import ExecutionFailed, Result
from harness.graph import Graph
from harness.server import ComfyServer
from harness.studio import Studio
from latent_inversion.inversion_core.storage import load_header, load_thumbnail


@pytest.fixture
def studio(graph: Graph) -> Studio:
    return Studio(graph)


@pytest.fixture
def another(comfy_server: ComfyServer) -> Callable[..., Studio]:
    info = comfy_server.object_info()
    return lambda **settings: Studio(Graph(info), **settings)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), dtype=np.float64)


def save(server: ComfyServer, studio: Studio, prefix: str, **inputs: Any) -> str:
    """Saves and returns the file's name in the output folder."""
    node = studio.graph.add(
        "InversionSaveTrajectory", **{"trajectory": studio.inverted, "filename_prefix": prefix} | inputs
    )
    return server.run(studio.graph.prompt).outputs[node.id]["text"][0].removeprefix("saved ")


def shown_text(result: Result, node: str) -> dict[str, str]:
    (text,) = result.outputs[node]["text"]
    return {line[:16].strip(): line[16:] for line in text.splitlines()}


# The film strip


def test_the_strip_goes_from_picture_to_noise(comfy_server: ComfyServer, studio: Studio) -> None:
    view = studio.graph.add("InversionTrajectoryView", trajectory=studio.inverted, vae=studio.vae, frames=4)
    frames, histogram = (studio.graph.add("PreviewImage", images=view[number]) for number in (1, 2))
    encoded = studio.show(studio.latent)
    result = comfy_server.run(studio.graph.prompt)
    (strip,) = comfy_server.images(result, view.id)
    assert strip.width > strip.height
    film = [pixels(frame) for frame in comfy_server.images(result, frames.id)]
    assert len(film) == 4 and all(frame.shape == (128, 128, 3) for frame in film)
    assert np.abs(film[0] - pixels(comfy_server.images(result, encoded.id)[0])).max() <= 1, "it begins at the picture"
    rough = [np.abs(np.diff(frame, axis=1)).mean() for frame in film]
    assert rough == sorted(rough) and rough[-1] > 1.5 * rough[0], "and becomes noise"
    assert pixels(comfy_server.images(result, histogram.id)[0]).std() > 20
    facts = shown_text(result, view.id)
    assert facts["inversion"] == "ddim, 5 steps, guidance 1" and facts["picture"] == "128 x 128"
    assert facts["model"] == "toybox UNet (v-prediction)" and facts["prompt"].startswith("a photo of")
