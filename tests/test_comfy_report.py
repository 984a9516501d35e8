"""Inversion Report with the edit, and Before / After, in a real ComfyUI: pictures, figures and sentences."""

import numpy as np
import pytest

from harness.events import ExecutionFailed
from harness.graph import Graph
from harness.server import ComfyServer
from harness.studio import Studio

NEWEST = pytest.mark.newest_only(
    "figures and sentences are the nodes' own; both run on every version in the workflow reconstruct_and_report"
)


@NEWEST
def test_the_report_shows_the_edit_and_says_what_came_out(comfy_server: ComfyServer, graph: Graph) -> None:
    studio = Studio(graph)
    edited = studio.sample(anchor="direct")
    back, after = (graph.add("InversionDecode", latent=edited[i], vae=studio.vae) for i in (1, 0))
    given = {"original": studio.scene, "reconstruction": back, "trajectory": studio.inverted}
    bare = graph.add("InversionReport", **given)
    report = graph.add("InversionReport", **given, edited=after, reconstructed=edited[1])
    curves = graph.add("PreviewImage", images=report[3])
    same = graph.add("InversionReport", **given, edited=back)
    result = comfy_server.run(graph.prompt)
    (text,), (unedited,), (unchanged,) = (result.outputs[node.id]["text"] for node in (report, bare, same))
    assert "changed by the edit" in text and "of its outlines" in text
    assert "changed by the edit" not in unedited
    assert "changed by the edit  0.0 %" in unchanged and "The result is nearly the same image" in unchanged
    (narrow,), (wide,), (plots,) = (comfy_server.images(result, node.id) for node in (bare, report, curves))
    assert narrow.width < wide.width and plots.height < wide.height, "one more picture in the row"
    blue = np.abs(np.asarray(plots.convert("RGB")).astype(int) - (40, 110, 190)).sum(-1) < 30
    assert blue[:, : plots.width // 2].any() and blue[:, plots.width // 2 :].any(), "the drift, and the histogram"


@NEWEST
def test_before_after_shows_both_and_gives_them_side_by_side(comfy_server: ComfyServer, graph: Graph) -> None:
    scenes = [graph.add("InversionToyboxScene", seed=seed, change="time: night") for seed in (23, 24)]
    compared = graph.add("InversionBeforeAfter", before=scenes[0], after=scenes[0])
    other = graph.add("InversionBeforeAfter", before=scenes[0], after=scenes[1])
    saved = graph.add("PreviewImage", images=other[0])
    shown = [graph.add("PreviewAny", source=node[output]) for node in (compared, other) for output in (1, 2)]
    result = comfy_server.run(graph.prompt)
    (view,), (differing,) = (result.outputs[node.id]["before_after"] for node in (compared, other))
    assert view["verdicts"] == [{"id": "verdictSame", "values": {"changed": "0"}}]
    assert {"filename", "subfolder", "type"} <= set(view["before"][0]) and len(differing["after"]) == 1
    said, none, _, share = ("".join(result.outputs[node.id]["text"]) for node in shown)
    assert said.startswith("The result is nearly the same image (0 % of it changed). Turn strength up")
    assert float(none) == 0 and 0.3 < float(share) <= 1
    (picture,) = comfy_server.images(result, saved.id)
    assert picture.size == (128 + 4 + 128, 128)
    assert picture.getpixel((130, 64))[:3] == (255, 255, 255)


@NEWEST
def test_pictures_of_different_shapes_are_refused_with_a_sentence(comfy_server: ComfyServer, graph: Graph) -> None:
    wide, high = (graph.add("EmptyImage", width=w, height=h) for w, h in ((96, 64), (64, 96)))
    graph.add("InversionBeforeAfter", before=wide, after=high)
    with pytest.raises(ExecutionFailed, match="'before' is 96 x 64, but 'after' is 64 x 96"):
        comfy_server.run(graph.prompt)
