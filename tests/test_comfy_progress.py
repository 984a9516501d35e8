"""What a user sees while a node runs, in a real ComfyUI: one bar from start to end, words, and a clean picture."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.events import Result
from harness.graph import Graph, Node
from harness.long_nodes import WORKS, Bench, Toybox
from harness.server import ComfyServer

STEPS = 3


def bars(result: Result, node: Node) -> list[tuple[float, float]]:
    return [(data["value"], data["max"]) for data in result.of_type("progress") if data["node"] == node.id]


def pictures(result: Result, node: Node) -> list[Image.Image]:
    """The live previews that came while a node was the last to report its progress."""
    found, running = [], ""
    for event in result.events:
        if event.type == "progress":
            running = event.data["node"]
        elif event.type == "preview" and running == node.id:
            found.append(Image.open(io.BytesIO(event.data)).convert("RGB"))
    return found


def check_bar(values: list[tuple[float, float]], *, ends: bool = True) -> None:
    """One bar of one length that never goes back, and is full at the end."""
    assert values and len({length for _, length in values}) == 1, values
    places = [value for value, _ in values]
    assert places == sorted(places) and places[0] > 0, places
    assert not ends or places[-1] == values[-1][1], places


@pytest.fixture(scope="module")
def seen(comfy_server: ComfyServer) -> tuple[Result, dict[str, Node]]:
    """All nodes that work for long, run once."""
    bench = Bench(Graph(comfy_server.object_info()))
    nodes = {}
    for work in WORKS:
        node = nodes[work.name] = work.made(bench, STEPS)
        bench.graph.add("PreviewAny", source=node[0])
    return comfy_server.run(bench.graph.prompt), nodes


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_a_node_shows_one_bar_words_and_a_picture(seen: tuple[Result, dict[str, Node]], work: Any) -> None:
    result, node = seen[0], seen[1][work.name]
    check_bar(bars(result, node))
    said = result.words(node.id)
    assert said[0] == "loading the model" and said[-1].startswith("done in ") and said[-1].endswith(" s")
    told = [text for text in said[1:-1] if not text.startswith("done")]
    assert [name for name in work.says if any(text.startswith(name) for text in told)] == list(work.says), said
    assert all(text.startswith(work.says) for text in told), said
    assert all("step" in text or text == work.says[0] for text in told), said
    shown = pictures(result, node)
    assert shown and all((image.width >= 2 * image.height) == work.beside for image in shown), [i.size for i in shown]


def test_work_without_a_trajectory_shows_its_progress(comfy_server: ComfyServer, graph: Graph) -> None:
    toybox = Toybox(graph, steps=STEPS)
    compared, seen, region = toybox.compare_methods(STEPS), toybox.words(), toybox.mask()
    refined, many, few = toybox.encoded(steps=4), toybox.encoded(frames=20), toybox.encoded(frames=2)
    decoded = graph.add("InversionDecode", latent=many, vae=toybox.vae)
    for node in (compared, seen, region, refined, few, decoded):
        graph.add("PreviewAny", source=node[0])
    result = comfy_server.run(graph.prompt)
    for node in (compared, seen, region, refined, many, decoded):
        check_bar(bars(result, node))
        assert result.words(node.id)[-1].startswith("done in "), result.words(node.id)
    assert not bars(result, few) and not result.words(few.id), "what is short says nothing"
    said = result.words(compared.id)
    parts = ["direct: inverting", "direct: editing", "null-text: optimising", "null-text: editing", "FlowEdit: editing"]
    firsts = [next((i for i, text in enumerate(said) if text.startswith(part)), None) for part in parts]
    assert None not in firsts and firsts == sorted(firsts), said
    assert result.words(refined.id)[0] == "refining the latent, step 1 of 5"
    assert result.words(many.id)[0] == "encoding, step 8 of 20"
    assert result.words(decoded.id)[0] == "decoding, step 8 of 20"
    assert result.words(seen.id)[1].startswith("reading attention maps, step 1 of ")
    assert [value for value, _ in bars(result, many)] == [8, 16, 20]


def test_an_edit_shows_the_source_on_the_left_and_ends_with_its_result(comfy_server: ComfyServer, graph: Graph) -> None:
    """Both halves are clean, of which the network made one at every step; with the source as the target they agree."""
    toybox = Toybox(graph, steps=5)
    same = toybox.sample(target=toybox.source, guidance=1.0, anchor="none")
    changed = toybox.sample(attention_edit=toybox.attention, guidance=4.0, anchor="direct")
    ends = [toybox.show(node[place]) for node, place in ((changed, 1), (changed, 0))]
    graph.add("PreviewAny", source=same[0])
    result = comfy_server.run(graph.prompt)
    halves = [np.split(np.asarray(image, dtype=np.float64), 2, axis=1) for image in pictures(result, same)]
    assert all(np.abs(left - right).mean() < 2 for left, right in halves) and len(halves) == 5
    shown = pictures(result, changed)
    assert len(shown) == 5 and {image.size for image in shown} == {(512, 256)}
    source, target = np.split(np.asarray(shown[-1], dtype=np.float64), 2, axis=1)
    finals = [
        np.asarray(server_image(comfy_server, result, node).resize((256, 256)), dtype=np.float64) for node in ends
    ]
    distances = [[np.abs(half - final).mean() for final in finals] for half in (source, target)]
    assert distances[0][0] < distances[0][1] and distances[1][1] < distances[1][0], distances


def server_image(server: ComfyServer, result: Result, node: Node) -> Image.Image:
    return server.images(result, node.id)[0].convert("RGB")
