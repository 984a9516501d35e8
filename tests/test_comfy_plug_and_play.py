"""The Plug-and-Play node in a real ComfyUI: alone, beside another edit, and where there is no decoder."""

import numpy as np
import pytest

from harness.events import ExecutionFailed
from harness.graph import Graph
from harness.server import ComfyServer
from harness.studio import Studio

NEWEST = pytest.mark.newest_only("hooks of the network are tried on every version in comfy_inprocess/test_features.py")


def plugged(studio: Studio, **settings):
    return studio.graph.add("InversionPlugAndPlay", **{"layer": 3} | settings)


@NEWEST
def test_features_keep_the_picture_and_leave_the_model_alone(comfy_server: ComfyServer, studio: Studio) -> None:
    before = studio.leftovers()
    first = comfy_server.run(studio.graph.prompt).outputs[before.id]
    edits = [None, plugged(studio), plugged(studio, feature_end=0.0, attention_end=0.0)]
    samples = [studio.sample(**({"attention_edit": one} if one else {})) for one in edits]
    shown = [studio.show(one[0]) for one in samples]
    same = studio.compare(samples[0][0], samples[2][0])
    after = studio.leftovers()
    result = comfy_server.run(studio.graph.prompt)
    free, kept, _ = (np.asarray(comfy_server.images(result, node.id)[0], float) for node in shown)
    assert np.abs(free - kept).mean() > 1
    assert result.outputs[same.id]["error"][0] == 0, "nothing in the windows is no edit"
    assert result.outputs[after.id] == first


def test_beside_prompt_to_prompt(comfy_server: ComfyServer, studio: Studio) -> None:
    both = plugged(studio, attention_edit=studio.attention)
    alone, together = (studio.sample(attention_edit=one) for one in (studio.attention, both))
    apart = studio.compare(alone[0], together[0])
    assert comfy_server.run(studio.graph.prompt).outputs[apart.id]["error"][0] > 0


@NEWEST
@pytest.mark.parametrize(
    ("loader", "layer", "sentence"),
    [
        ({"model": "DiT (rectified flow)"}, 3, "does not have one. On transformers"),
        ({}, 6, "layers 0 to 5; there is no layer 6"),
    ],
)
def test_what_cannot_be_is_said(comfy_server: ComfyServer, graph: Graph, loader, layer, sentence) -> None:
    studio = Studio(graph, **loader)
    studio.show(studio.sample(attention_edit=plugged(studio, layer=layer))[0])
    with pytest.raises(ExecutionFailed) as failed:
        comfy_server.run(graph.prompt)
    assert sentence in failed.value.result.error["exception_message"]
