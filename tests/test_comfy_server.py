"""The pack in a real ComfyUI: it loads, and the harness that drives the server tells the truth."""

import re

import numpy as np
import pytest
from PIL import Image

from harness.events import ExecutionFailed
from harness.graph import Graph
from harness.server import ComfyServer, PromptRejected
from latent_inversion.nodes import NODES


def declared_node_ids() -> set[str]:
    """The node ids of the pack's table: its classes are named as they are."""
    return {name for names in NODES.values() for name in names}


def test_pack_is_loaded(comfy_server: ComfyServer) -> None:
    log = comfy_server.log().split("To see the GUI go to")[0]  # the start; later tests write errors of their own
    mentions = [line for line in log.splitlines() if "latent-inversion" in line]
    assert mentions, log
    bad = re.compile("IMPORT FAILED|Error|Cannot|Unable|Skip")
    assert not [line for line in mentions if bad.search(line)], log


def test_object_info_lists_the_nodes(comfy_server: ComfyServer) -> None:
    info = comfy_server.object_info()
    ours = {name for name, node in info.items() if "latent-inversion" in node["python_module"]}
    assert ours == declared_node_ids()
    assert all(name.startswith("Inversion") for name in ours)
    assert all(info[name]["category"].startswith("inversion/") for name in ours)


def test_a_picture_goes_in_and_comes_out(comfy_server: ComfyServer, graph: Graph) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    name = comfy_server.upload_image("noise.png", Image.fromarray(pixels))
    loaded = graph.add("LoadImage", image=name)
    preview = graph.add("PreviewImage", images=loaded)
    result = comfy_server.run(graph.prompt)
    (image,) = comfy_server.images(result, preview.id)
    assert np.array_equal(np.asarray(image), pixels)
    assert loaded.id in comfy_server.run(graph.prompt).cached


def test_two_queued_prompts_keep_their_events_apart(comfy_server: ComfyServer) -> None:
    graphs = [Graph(comfy_server.object_info()) for _ in range(2)]
    for colour, one in zip((0x112233, 0x445566), graphs, strict=True):
        one.add("PreviewImage", images=one.add("EmptyImage", width=16, height=16, color=colour))
    ids = [comfy_server.submit(one.prompt) for one in graphs]
    pixels = [comfy_server.images(comfy_server.wait(i))[0].getpixel((0, 0)) for i in reversed(ids)]
    assert pixels == [(0x44, 0x55, 0x66), (0x11, 0x22, 0x33)]


def test_a_wrong_socket_is_refused_with_a_message(comfy_server: ComfyServer, graph: Graph) -> None:
    image = graph.add("EmptyImage", width=16, height=16)
    graph.add("PreviewImage", images=graph.add("LatentUpscaleBy", samples=image))
    with pytest.raises(PromptRejected) as refused:
        comfy_server.run(graph.prompt)
    assert refused.value.status == 400
    assert any("mismatch" in message for message in refused.value.messages)


def test_an_error_carries_its_node_and_sentence(comfy_server: ComfyServer, graph: Graph) -> None:
    comfy_server.upload("broken.png", b"not a picture")
    graph.add("PreviewImage", images=graph.add("LoadImage", image="broken.png"))
    with pytest.raises((ExecutionFailed, PromptRejected)) as failed:
        comfy_server.run(graph.prompt)
    assert isinstance(failed.value, ExecutionFailed)
    assert failed.value.result.error["node_type"] == "LoadImage"
    assert "cannot identify image" in str(failed.value)
