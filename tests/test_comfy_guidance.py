"""What nodes say of guidance, few-step models, impossible edits and true edits, in a real ComfyUI."""

import pytest
from test_comfy_families import Bench

from harness.events import Result
from harness.graph import Graph, Node
from harness.server import ComfyServer
from harness.studio import Studio

NEWEST = pytest.mark.newest_only(
    "what nodes say of numbers and prompts is their own; comfy_inprocess/test_guidance.py meets every version"
)

FLOW = "DiT (rectified flow)"


def said(result: Result, node: Node) -> str:
    return "\n".join(result.outputs[node.id]["text"])


def test_a_distilled_model_is_told_guidance_and_the_node_says_so(comfy_server: ComfyServer, graph: Graph) -> None:
    bench = Bench(graph, "flux")  # its prompts bring 3.5
    inverted = bench.invert()
    sampled = bench.sample(inverted, target=bench.target, guidance=7.5, anchor="direct")
    words = {"source": bench.source, "target": bench.target, "negative": bench.target}
    free = graph.add("InversionFreeEdit", model=bench.model, latent=bench.latent, **words, steps=4, scheduler="simple")
    along = graph.add("InversionFlowControlEdit", model=bench.model, trajectory=inverted, **words)
    for latent in (sampled, free, along):
        bench.compare(latent, latent)
    result = comfy_server.run(graph.prompt)
    assert "3.5 for the source" in said(result, inverted)
    assert "7.5, the default, is too high for this model, so 3.5" in said(result, sampled)
    assert "1.5 for the source and 5.5 for the target" in said(result, free)
    assert "FlowEdit: guidance 5.5, source guidance 1.5, strength 0.857" in said(result, free)
    assert "RF-Inversion: guidance 3.5, source guidance 1, strength 1" in said(result, along)
    assert "RF-Inversion Invert, but this trajectory is of 'fixed point'" in said(result, along)


@NEWEST
@pytest.mark.parametrize("loader", [{}, {"model": FLOW}], ids=["unet", "dit"])
def test_nodes_at_their_defaults_fit_and_few_steps_have_their_choice(
    comfy_server: ComfyServer, graph: Graph, loader: dict
) -> None:
    studio = Studio(graph, **loader)
    words = {"source": studio.source, "target": studio.target, "negative": studio.negative}
    given = {"model": studio.model, "latent": studio.latent, "source": studio.source}
    exact = graph.add("InversionExactInvert", **given, steps=4)
    edited = graph.add("InversionExactEdit", model=studio.model, trajectory=exact, **words)
    few = studio.sample(preset="few-step model")
    method = graph.add(
        "InversionAnchoredEdit", model=studio.model, trajectory=studio.inverted, **words, settings="few-step model"
    )
    nodes = [studio.compare(edited[1], studio.latent), *(studio.show(one) for one in (few, method))]
    result = comfy_server.run(graph.prompt)
    assert result.outputs[nodes[0].id]["error"][0] < 1e-3
    assert "source guidance 1," in said(result, edited)
    assert "few-step model, strength 0.5: guidance 1.0, the first 20%" in said(result, few)
    assert "direct: guidance 1, source guidance 1, strength 0.8" in said(result, method)


@NEWEST
def test_an_edit_that_cannot_be_is_said(comfy_server: ComfyServer, graph: Graph) -> None:
    studio = Studio(graph)
    same = studio.sample(target=studio.source, guidance=1.0, anchor="none")
    possible = studio.sample()
    studio.show(same), studio.show(possible)
    result = comfy_server.run(graph.prompt)
    assert "The target prompt equals the source prompt" in said(result, same)
    assert "The edit changed nothing" in said(result, same)
    assert "nothing" not in said(result, possible)


@NEWEST
def test_before_after_names_a_picture_that_is_not_held_and_the_truth(comfy_server: ComfyServer, graph: Graph) -> None:
    scene, black = (
        graph.add("InversionToyboxScene", seed=23, change="time: night"),
        graph.add("EmptyImage", width=128, height=128),
    )
    brighter = graph.add(
        "ImageBlend",
        image1=scene,
        image2=graph.add("EmptyImage", width=128, height=128, color=0xFFFFFF),
        blend_factor=0.15,
        blend_mode="normal",
    )
    gone = graph.add("InversionBeforeAfter", before=scene, after=black, reconstruction=black)
    bright = graph.add("InversionBeforeAfter", before=scene, after=brighter, truth=scene[3])
    right = graph.add("InversionBeforeAfter", before=scene, after=scene[3], truth=scene[3])
    result = comfy_server.run(graph.prompt)
    assert result.outputs[gone.id]["before_after"][0]["verdicts"][0]["id"] == "verdictUnheld"
    assert "The change is missing (time: night)" in said(result, bright)
    assert "The change is there (time: night)" in said(result, right)
