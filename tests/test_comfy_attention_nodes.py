"""The nodes that share the picture's keys and values, and masks of edits, in a real ComfyUI on both of the toybox's models."""

from typing import Any

import numpy as np
import pytest

from harness.events import ExecutionFailed
from harness.graph import Graph, Node
from harness.server import ComfyServer
from harness.studio import Studio

NEWEST = pytest.mark.newest_only(
    "what attention edits meet of ComfyUI is tried on every version in comfy_inprocess, test_dit_attention and test_sharing"
)

MODELS = ("UNet (v-prediction)", "DiT (rectified flow)")
SHARING = ("InversionMutualAttention", "InversionKVInjection", "InversionKVEdit")
both = pytest.mark.parametrize("model", MODELS)


def make(server: ComfyServer, model: str, **settings: Any) -> Studio:
    return Studio(Graph(server.object_info()), model=model, **{"change": "shirt: blue"} | settings)


def shared(studio: Studio, node: str, **settings: Any) -> Node:
    given = {"mask": studio.scene[4]} if node == "InversionKVEdit" else {}
    return studio.graph.add(node, **given | settings)


def solid(studio: Studio, value: float, side: int = 128) -> Node:
    return studio.graph.add("SolidMask", value=value, width=side, height=side)


def failure(server: ComfyServer, studio: Studio, edit: Node) -> str:
    studio.show(studio.sample(attention_edit=edit)[0])
    with pytest.raises(ExecutionFailed) as failed:
        server.run(studio.graph.prompt)
    return str(failed.value.result.error["exception_message"])


@NEWEST
@both
def test_each_changes_the_edit_in_its_window_and_leaves_the_model_alone(comfy_server: ComfyServer, model: str) -> None:
    studio = make(comfy_server, model)
    before = studio.leftovers()
    first = comfy_server.run(studio.graph.prompt).outputs[before.id]
    plain = studio.sample()
    depth = {"preset": "by depth", "inject": "keys and values", "depth_start": 0.0}
    within = {"InversionKVInjection": depth | {"end": 1.0}}
    after = {"InversionKVInjection": depth}
    acting = [studio.sample(attention_edit=shared(studio, name, **within.get(name, {}))) for name in SHARING]
    never = [
        studio.sample(attention_edit=shared(studio, name, start=1.0, end=1.0, **after.get(name, {})))
        for name in SHARING[:2]
    ]
    changes = [studio.compare(one[0], plain[0]) for one in acting]
    same = [studio.compare(one[0], plain[0]) for one in never]
    anchored = [studio.compare(one[1], studio.latent) for one in acting]
    left = studio.leftovers()
    result = comfy_server.run(studio.graph.prompt)
    assert all(result.outputs[node.id]["error"][0] > 1e-3 for node in changes)
    assert all(result.outputs[node.id]["error"][0] == 0 for node in same)
    assert all(result.outputs[node.id]["error"][0] < 1e-6 for node in anchored)
    assert result.outputs[left.id] == first


@NEWEST
@both
def test_kv_edit_of_next_to_nothing_is_the_picture_and_of_all_is_the_edit(
    comfy_server: ComfyServer, model: str
) -> None:
    """An empty mask and a full one are refused; these are as near to them as a mask can be."""
    studio = make(comfy_server, model)
    none, whole = (shared(studio, "InversionKVEdit", mask=solid(studio, value)) for value in (1e-7, 1 - 1e-7))
    plain, kept, free = (studio.sample(**({"attention_edit": e} if e else {})) for e in (None, none, whole))
    back, same = studio.compare(kept[0], studio.latent), studio.compare(free[0], plain[0])
    result = comfy_server.run(studio.graph.prompt)
    assert result.outputs[back.id]["error"][0] < 1e-6
    assert result.outputs[same.id]["error"][0] < 1e-5


@NEWEST
@both
@pytest.mark.parametrize("node", SHARING)
def test_beside_prompt_to_prompt_in_either_order(comfy_server: ComfyServer, model: str, node: str) -> None:
    """What shares keys and values is outside, whichever node comes first."""
    studio = make(comfy_server, model)
    one = shared(studio, node, attention_edit=studio.attention)
    other = studio.edit(attention_edit=shared(studio, node))
    first, second, alone = (studio.sample(attention_edit=edit) for edit in (one, other, studio.attention))
    same, apart = studio.compare(first[0], second[0]), studio.compare(first[0], alone[0])
    result = comfy_server.run(studio.graph.prompt)
    assert result.outputs[same.id]["error"][0] == 0
    assert result.outputs[apart.id]["error"][0] > 1e-3


@both
def test_all_three_act_together(comfy_server: ComfyServer, model: str) -> None:
    """KV-Edit keeps the background exactly, whatever else acts inside of it."""
    studio = make(comfy_server, model)
    inner = shared(studio, "InversionKVEdit", attention_edit=studio.attention)
    outer = shared(
        studio, "InversionMutualAttention", attention_edit=shared(studio, "InversionKVInjection", attention_edit=inner)
    )
    edited = studio.sample(attention_edit=outer)
    shown = [studio.show(latent) for latent in (edited[0], edited[1])]
    mask = studio.graph.add("PreviewImage", images=studio.graph.add("MaskToImage", mask=studio.scene[4]))
    result = comfy_server.run(studio.graph.prompt)
    ours, theirs, region = (
        np.asarray(comfy_server.images(result, n.id)[0].convert("RGB"), float) for n in (*shown, mask)
    )
    change, inside = np.abs(ours - theirs).mean(-1), region[..., 0] > 127
    assert change[inside].mean() > 5
    assert change[:16].mean() < 0.05 * change[inside].mean(), "but for the decoder, which looks at the whole picture"


@NEWEST
@both
def test_masks_of_an_edit_lie_where_the_true_one_does(comfy_server: ComfyServer, model: str) -> None:
    studio = make(comfy_server, model, steps=10)
    given = {"model": studio.model, "trajectory": studio.inverted, "source": studio.source, "target": studio.target}
    masks = [studio.graph.add("InversionEditMask", **given, method=name, **more) for name, more in MAKERS]
    edited = studio.sample(attention_edit=shared(studio, "InversionKVEdit", mask=masks[0]))
    pictures = [
        studio.graph.add("PreviewImage", images=studio.graph.add("MaskToImage", mask=mask))
        for mask in (studio.scene[4], *(one[0] for one in masks))
    ]
    finite = studio.compare(edited[0], studio.latent)
    result = comfy_server.run(studio.graph.prompt)
    truth, *found = (np.asarray(comfy_server.images(result, node.id)[0].convert("L"), float) / 255 for node in pictures)
    assert result.outputs[finite.id]["finite"][0]
    for mask in found:
        assert mask.shape == (128, 128)
        assert mask[truth > 0.5].mean() > 2 * mask[truth <= 0.5].mean()


MAKERS = (("DiffEdit", {}), ("Uni-Edit", {}), ("Uni-Edit", {"threshold": 0.0, "level": 0.3}))


@NEWEST
@both
def test_foregrounds_by_words_and_by_masks(comfy_server: ComfyServer, model: str) -> None:
    studio = make(comfy_server, model)
    words = {"clip": studio.clip, "source_prompt": studio.scene[1], "target_prompt": studio.scene[2]}
    named = shared(studio, SHARING[0], depth=0.0, **words, source_words="shirt", target_words="shirt")
    masked = shared(studio, SHARING[0], depth=0.0, source_mask=studio.scene[4])
    whole = shared(studio, SHARING[0], depth=0.0)
    samples = [studio.sample(attention_edit=one) for one in (named, masked, whole)]
    nodes = [studio.compare(samples[i][0], samples[j][0]) for i, j in ((0, 1), (0, 2), (1, 2))]
    result = comfy_server.run(studio.graph.prompt)
    assert all(result.outputs[node.id]["error"][0] > 1e-3 and result.outputs[node.id]["finite"][0] for node in nodes)


@NEWEST
@pytest.mark.parametrize(
    ("node", "settings", "sentence"),
    [
        (SHARING[1], {"preset": "Stable Flow (Flux)"}, "19 double and 38 single blocks"),
        (SHARING[1], {"preset": "by depth", "depth_start": 0.9, "depth_end": 0.9}, "No block lies between"),
    ],
)
def test_what_cannot_be_is_said(comfy_server: ComfyServer, node: str, settings: dict[str, Any], sentence: str) -> None:
    studio = make(comfy_server, MODELS[1])
    assert sentence in failure(comfy_server, studio, shared(studio, node, **settings))


@NEWEST
def test_masks_that_do_not_fit_are_refused(comfy_server: ComfyServer) -> None:
    studio = make(comfy_server, MODELS[0])
    edit = shared(studio, SHARING[2], mask=solid(studio, 0.5, 64))
    assert "The mask is 64 x 64, but the image is 128 x 128" in failure(comfy_server, studio, edit)
