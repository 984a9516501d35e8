"""A cancel, or an error in the middle, in a real ComfyUI: the work ends at once, and nothing of it is left."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from harness.events import Event, Result
from harness.graph import Graph, Node
from harness.long_nodes import NAMES, WORKS, Bench, Toybox, Work
from harness.server import ComfyServer
from harness.studio import Studio

EVALUATIONS = 200
NONCE = itertools.count(5000)
NEWEST = pytest.mark.newest_only(
    "all nodes stop in the same loop; one of each kind shows that this ComfyUI can stop it"
)
ALWAYS = ("ddim", "edit sampler", "video edit", "compare", "encode")
"""These run on every version."""
BROKEN = ("ddim", "null text", "edit sampler", "edit by null-text", "video edit", "Uni-Edit mask")


def works(names: Iterable[str], values: Iterable[Any]) -> list[Any]:
    """Parameters of works by their names."""
    return [
        pytest.param(value, id=name, marks=() if name in ALWAYS else NEWEST)
        for name, value in zip(names, values, strict=True)
    ]


def short_run(server: ComfyServer) -> tuple[dict[str, Any], list[int]]:
    """What a short edit gives and what it leaves in the model; and the evaluations since the last one, and those after a cancel."""
    bench = Bench(Graph(server.object_info()))
    counts = bench.graph.add("TestCounts", nonce=next(NONCE))
    mutual = bench.graph.add("InversionMutualAttention")
    edited = bench.edit("InversionEditSampler", trajectory=bench.invert(3), attention_edit=mutual)
    optimised = bench.null_text(bench.invert(3), inner_steps=2)
    nodes = [bench.graph.add("TestCompare", a=edited[place], b=bench.latent) for place in (0, 1)]
    nodes += [bench.graph.add("PreviewAny", source=optimised[1])]
    nodes += [bench.graph.add("TestLeftovers", model=bench.made, nonce=next(NONCE))]
    result = server.run(bench.graph.prompt)
    return {str(number): result.outputs[node.id] for number, node in enumerate(nodes)}, result.outputs[counts.id][
        "counts"
    ]


def cancelled(server: ComfyServer, prompt: dict[str, Any], node: Node) -> Result:
    """A run that the user cancels at the node's first step."""
    sent = []

    def cancel(event: Event) -> None:
        if event.type == "progress" and event.data["node"] == node.id and not sent:
            sent.append(event)
            server.interrupt()

    result = server.run(prompt, check=False, on_event=cancel)
    assert sent and result.interrupted and not result.error
    return result


@pytest.fixture(scope="module")
def before(comfy_server: ComfyServer) -> dict[str, Any]:
    """What a short run gives before anything was cancelled."""
    return short_run(comfy_server)[0]


@pytest.mark.parametrize("work", works(NAMES, WORKS))
def test_a_cancel_ends_it_before_the_next_evaluation(
    comfy_server: ComfyServer, before: dict[str, Any], graph: Graph, work: Work
) -> None:
    bench = Bench(graph)
    node = work.made(bench, work.steps(EVALUATIONS))
    graph.add("PreviewAny", source=node[0])
    result = cancelled(comfy_server, graph.prompt, node)
    after, (_, late) = short_run(comfy_server)
    assert late <= 1, f"{late} evaluations began after the cancel"
    assert after == before
    assert result.words(node.id)[-1].startswith("cancelled after ")
    steps = [data for data in result.of_type("progress") if data["node"] == node.id]
    assert steps[-1]["value"] < steps[-1]["max"]


TOYBOX: dict[str, tuple[Callable[[Toybox], Node], int]] = {
    "compare": (lambda toybox: toybox.compare_methods(30), 60),
    "attention view": (lambda toybox: toybox.words(), 2),
    "DiffEdit mask": (lambda toybox: toybox.mask(), 2),
    "refine": (lambda toybox: toybox.encoded(steps=200), 3),
    "encode": (lambda toybox: toybox.encoded(frames=120), 16),
    "decode": (lambda toybox: toybox.decoded(120), 16),
}
"""What works on the toybox, and by how much its bar may move after the cancel was sent: some steps."""


@pytest.mark.parametrize("name", works(TOYBOX, TOYBOX))
def test_a_cancel_ends_work_on_the_toybox(comfy_server: ComfyServer, graph: Graph, name: str) -> None:
    make, most = TOYBOX[name]
    toybox = Toybox(graph, steps=4)
    node = make(toybox)
    graph.add("PreviewAny", source=node[0])
    result = cancelled(comfy_server, graph.prompt, node)
    values = [data["value"] for data in result.of_type("progress") if data["node"] == node.id]
    assert values[-1] - values[0] <= most, values
    assert result.words(node.id)[-1].startswith("cancelled after ")
    again = Studio(Graph(graph.object_info), steps=4)
    same = again.compare(again.sample(target=again.source, guidance=1.0)[1], again.latent)
    assert comfy_server.run(again.graph.prompt).outputs[same.id]["error"][0] < 1e-6


@pytest.mark.parametrize("how", ["out of memory", "nan"])
@pytest.mark.parametrize("work", works(BROKEN, [work for work in WORKS if work.name in BROKEN]))
def test_an_error_in_the_middle_leaves_nothing_behind(
    comfy_server: ComfyServer, before: dict[str, Any], graph: Graph, work: Work, how: str
) -> None:
    bench = Bench(graph)
    made = bench.invert(4) if work.name != "video edit" else bench.clip(4)
    bench.model = graph.add("TestFailing", model=bench.model, how=how)
    node = remade(bench, work, made)
    graph.add("PreviewAny", source=node[0])
    result = comfy_server.run(graph.prompt, check=False)
    if how == "out of memory":
        assert "out of memory" in result.error["exception_message"]
        assert result.words(node.id)[-1].startswith("stopped by an error after ")
    assert short_run(comfy_server)[0] == before


def remade(bench: Bench, work: Work, trajectory: Node) -> Node:
    """The node of a work on a trajectory that a sound model made."""
    bench.invert = lambda *args, **settings: trajectory if work.name != "ddim" else Bench.invert(bench, 4)
    bench.clip = lambda steps: trajectory
    return work.made(bench, 4)
