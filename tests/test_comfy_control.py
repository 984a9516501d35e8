"""The toybox's ControlNet in a real ComfyUI: on the source, on the target, beside attention edits, and with its hint node."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.graph import Graph, Node
from harness.server import ComfyServer
from harness.studio import Studio, error_of, pixels
from latent_inversion.toybox.weights import WEIGHTS

pytestmark = pytest.mark.skipif(
    not (WEIGHTS / "controlnet.safetensors").exists(), reason="the toybox's ControlNet has not been trained yet"
)


@pytest.fixture
def studio(graph: Graph) -> Studio:
    return Studio(graph, change="style: painting")


@pytest.fixture
def steered(studio: Studio) -> Callable[..., Node]:
    """A prompt and the empty prompt under the ControlNet, by the stock node; the same hint for all."""
    network = studio.graph.add("InversionToyboxControlNet")
    hint = studio.graph.add("InversionEdges", image=studio.scene)

    def apply(prompt: Any, **settings: Any) -> Node:
        given = {"positive": prompt, "negative": studio.negative, "control_net": network, "image": hint}
        return studio.graph.add("ControlNetApplyAdvanced", **given | settings)

    return apply


def test_the_hint_is_a_picture_of_edges(comfy_server: ComfyServer, studio: Studio) -> None:
    shown = studio.graph.add("PreviewImage", images=studio.graph.add("InversionEdges", image=studio.scene))
    hint = pixels(comfy_server.images(comfy_server.run(studio.graph.prompt), shown.id)[0])
    assert hint.shape == (128, 128, 3) and np.ptp(hint, axis=2).max() == 0
    assert hint.max() == 255 and 0.02 < (hint > 128).mean() < 0.4


def test_each_pass_goes_by_its_own_hint(
    comfy_server: ComfyServer, studio: Studio, steered: Callable[..., Node]
) -> None:
    """The source's hint, the target's, both or none: every one is an edit of its own, and the anchored source stays exact."""
    source, target = steered(studio.source), steered(studio.target, strength=0.7)
    inverted = studio.invert(source=source, steps=5)
    attention = studio.edit(cross_end=0.4, self_end=0.6)
    cases = {
        "none": studio.sample(),
        "target": studio.sample(target=target[0], negative=target[1]),
        "both": studio.sample(trajectory=inverted, source=source, target=target[0], negative=target[1]),
        "source": studio.sample(trajectory=inverted, source=source),
        "beginning": studio.sample(target=steered(studio.target, strength=0.7, end_percent=0.5)[0]),
        "with attention": studio.sample(
            trajectory=inverted, source=source, target=target[0], negative=target[1], attention_edit=attention
        ),
    }
    shown = {name: studio.show(case[0]) for name, case in cases.items()}
    exact = [studio.compare(case[1], studio.latent) for case in cases.values()]
    result = comfy_server.run(studio.graph.prompt)
    assert all(error_of(result, node) < 1e-6 for node in exact)
    pictures = {name: pixels(comfy_server.images(result, node.id)[0]) for name, node in shown.items()}
    names = list(pictures)
    for number, name in enumerate(names):
        for other in names[:number]:
            assert np.abs(pictures[name] - pictures[other]).mean() > 0.5, f"{name} and {other} look the same"


def test_strength_zero_is_no_control(comfy_server: ComfyServer, studio: Studio, steered: Callable[..., Node]) -> None:
    off = steered(studio.target, strength=0.0)
    same = studio.compare(studio.sample(target=off[0], negative=off[1])[0], studio.sample()[0])
    assert error_of(comfy_server.run(studio.graph.prompt), same) == 0


def test_null_text_and_ksampler_take_it(
    comfy_server: ComfyServer, studio: Studio, steered: Callable[..., Node]
) -> None:
    source = steered(studio.source)
    inverted = studio.invert(source=source, steps=3)
    null_text = studio.null_text(trajectory=inverted, source=source, empty=source[1])
    back = studio.sample(
        trajectory=inverted, source=source, target=source, negative=source[1], null_text=null_text, anchor="none"
    )
    blank = studio.graph.add("VAEEncode", pixels=studio.scene, vae=studio.vae)
    drawn = studio.graph.add(
        "KSampler", model=studio.model, positive=source, negative=source[1], latent_image=blank, steps=3, cfg=4.0
    )
    shown = [studio.show(latent) for latent in (back[0], drawn)]
    result = comfy_server.run(studio.graph.prompt)
    assert all(pixels(comfy_server.images(result, node.id)[0]).std() > 5 for node in shown)
