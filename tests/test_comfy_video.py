"""Clips in a real ComfyUI: inverted in parts, edited together, in windows, and as native video in and out."""

from typing import Any

import pytest

from harness.graph import Graph, Node
from harness.server import ComfyServer, PromptRejected
from harness.studio import Studio, error_of

NEWEST = pytest.mark.newest_only(
    "how a clip is cut and put together is the pack's own; clips run on every version in the workflow video"
)

FRAMES, STEPS = 4, 2


class Cinema(Studio):
    """The toybox and a clip of it."""

    def __init__(self, graph: Graph, *, frames: int = FRAMES) -> None:
        super().__init__(graph, steps=STEPS)
        self.scene = graph.add("InversionToyboxVideo", seed=23, change="time: night", frames=frames)
        self.attention = self.edit()
        self.source, self.target = self.attention[1], self.attention[2]
        self.latent = graph.add("InversionEncode", image=self.scene, vae=self.vae)
        self.inverted = self.invert_video()

    def invert_video(self, **settings: Any) -> Node:
        given = {"model": self.model, "latent": self.latent, "source": self.source, "steps": STEPS, "together": 2}
        return self.graph.add("InversionVideoInvert", **given | settings)

    def video(self, **settings: Any) -> Node:
        given = {"model": self.model, "trajectory": self.inverted, "source": self.source, "target": self.target}
        given |= {"negative": self.negative, "together": 2, "attention_edit": self.attention}
        return self.graph.add("InversionVideoEdit", **given | settings)


@pytest.fixture
def cinema(graph: Graph) -> Cinema:
    return Cinema(graph)


@NEWEST
def test_parts_are_the_whole_and_ways_differ(comfy_server: ComfyServer, cinema: Cinema) -> None:
    whole = cinema.invert(steps=STEPS)
    still = cinema.sample(trajectory=whole, attention_edit=cinema.attention)
    apart = cinema.video(way="each frame")
    together, small = cinema.video(), cinema.video(spacing=1, window=3)
    mask = cinema.video(mask=cinema.scene[4], window=4, way="first and previous")
    same = cinema.compare(apart[0], still[0])
    back = cinema.compare(together[1], cinema.latent)
    others = [cinema.compare(one[0], apart[0]) for one in (together, small, mask)]
    result = comfy_server.run(cinema.graph.prompt)
    assert error_of(result, same) < 1e-4 and error_of(result, back) < 1e-6
    assert all(error_of(result, other) > 1e-3 for other in others)


def test_a_video_goes_in_and_comes_out(comfy_server: ComfyServer, cinema: Cinema) -> None:
    graph = cinema.graph
    native = graph.add("CreateVideo", images=cinema.scene, fps=8.0)
    parts = graph.add("GetVideoComponents", video=native)
    latent = graph.add("InversionEncode", image=parts, vae=cinema.vae)
    edited = cinema.video(trajectory=cinema.invert_video(latent=latent))
    pictures = graph.add("InversionDecode", latent=edited[0], vae=cinema.vae)
    preview = graph.add("PreviewImage", images=pictures)
    film = graph.add("CreateVideo", images=pictures, fps=parts[2])
    saved = graph.add("SaveVideo", video=film, filename_prefix="video/edited", format="auto", codec="auto")
    result = comfy_server.run(graph.prompt)
    assert len(comfy_server.images(result, preview.id)) == FRAMES
    assert result.outputs[saved.id]


@NEWEST
def test_a_window_that_is_too_small_is_refused(comfy_server: ComfyServer, cinema: Cinema) -> None:
    cinema.show(cinema.video(spacing=4, window=5)[0])
    with pytest.raises(PromptRejected, match="Set 'window' to 6 or more"):
        comfy_server.run(cinema.graph.prompt)


@NEWEST
def test_no_frames_are_refused(comfy_server: ComfyServer, graph: Graph) -> None:
    cinema = Cinema(graph, frames=0)
    cinema.show(cinema.latent)
    with pytest.raises(PromptRejected):
        comfy_server.run(graph.prompt)
