"""Attention View in a real ComfyUI: maps over the picture, and masks of words that every node takes."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.events import ExecutionFailed, Result
from harness.graph import Graph, Node
from harness.server import ComfyServer
from harness.studio import STEPS, Studio

NEWEST = pytest.mark.newest_only(
    "the node runs on every version in the workflow see_words; the rest is its own arithmetic and sentences"
)

CHANGE = "shirt: blue"
FLOW = "DiT (rectified flow)"


def view(studio: Studio, **settings: Any) -> Node:
    given = {"model": studio.model, "trajectory": studio.inverted, "clip": studio.clip, "image": studio.scene}
    return studio.graph.add("InversionAttentionView", **given | {"prompt": studio.scene[1]} | settings)


def shown_mask(studio: Studio, mask: Any) -> Node:
    return studio.graph.add("PreviewImage", images=studio.graph.add("MaskToImage", mask=mask))


def levels(server: ComfyServer, result: Result, node: Node) -> list[np.ndarray]:
    return [np.asarray(picture.convert("L")) / 255 for picture in server.images(result, node.id)]


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    return float(((mask > 0.5) & (truth > 0.5)).sum() / ((mask > 0.5) | (truth > 0.5)).sum())


@pytest.fixture
def studio(graph: Graph) -> Studio:
    return Studio(graph, change=CHANGE)


@NEWEST
@pytest.mark.parametrize("model", ["", FLOW], ids=["unet", "transformer"])
def test_words_are_shown_and_their_masks_lie_where_the_truth_says(
    comfy_server: ComfyServer, graph: Graph, model: str
) -> None:
    studio = Studio(graph, change=CHANGE, **({"model": model} if model else {}))
    seen = view(studio, words="shirt, snow", mask_words="shirt")
    each, mask, truth = (shown_mask(studio, m) for m in (seen[1], seen[2], studio.scene[4]))
    text = graph.add("PreviewAny", source=seen[3])
    result = comfy_server.run(graph.prompt)
    shirt, other = levels(comfy_server, result, each)
    (chosen,), (true,) = (levels(comfy_server, result, node) for node in (mask, truth))
    assert shirt.shape == (128, 128) and np.array_equal(shirt, chosen)
    assert overlap(shirt, true) > 0.6 > overlap(other, true)
    assert "shirt\\nsnow" in str(result.outputs[text.id]) or "shirt\nsnow" in str(result.outputs[text.id])
    (grid,) = comfy_server.images(result, seen.id)
    assert grid.width > 3 * 256
    (page,) = result.outputs[seen.id]["attention_view"]
    assert [entry["word"] for entry in page["words"]] == ["shirt", "snow"]
    files = [page["picture"], *(entry["map"] for entry in page["words"])]
    below, overlay, _ = (Image.open(io.BytesIO(comfy_server.view(file))) for file in files)
    assert below.size == overlay.size == (128, 128)
    bright = np.asarray(overlay.convert("L")) / 255.0
    assert bright[true > 0.5].mean() > 2 * bright[true < 0.5].mean()


@NEWEST
def test_every_word_is_shown_where_none_is_named(comfy_server: ComfyServer, studio: Studio) -> None:
    seen = view(studio, prompt="a photo of a cat, a red shirt", looks=2, softness=0.5, show="alone", spread=0)
    each = shown_mask(studio, seen[1])
    result = comfy_server.run(studio.graph.prompt)
    (page,) = result.outputs[seen.id]["attention_view"]
    assert [entry["word"] for entry in page["words"]] == ["a", "photo", "of", "cat", "red", "shirt"]
    masks = levels(comfy_server, result, each)
    assert len(masks) == 6
    assert all(((mask > 0.1) & (mask < 0.9)).any() for mask in masks), "the edges are not soft"


@NEWEST
def test_the_mask_of_a_word_goes_into_every_node_that_takes_one(comfy_server: ComfyServer, studio: Studio) -> None:
    graph, seen = studio.graph, view(studio, mask_words="shirt", looks=2)
    mask = shown_mask(studio, seen[2])
    noised = graph.add("SetLatentNoiseMask", samples=studio.latent, mask=seen[2])
    given = {"model": studio.model, "positive": studio.target, "negative": studio.negative}
    painted = graph.add("KSampler", latent_image=noised, steps=2, seed=1, **given)
    white = graph.add("EmptyImage", width=128, height=128, color=0xFFFFFF)
    pasted = graph.add(
        "ImageCompositeMasked", destination=studio.scene, source=white, mask=seen[2], x=0, y=0, resize_source=False
    )
    by_edit = studio.sample(attention_edit=studio.edit(mask=seen[2]), guidance=4.0)
    encoded = graph.add("InversionEncode", image=studio.scene, vae=studio.vae, mask=seen[2])
    by_latent = studio.sample(
        trajectory=studio.invert(latent=encoded, steps=STEPS), attention_edit=studio.edit(), guidance=4.0
    )
    pictures = [studio.show(latent) for latent in (by_edit, by_latent, studio.latent, painted)]
    before, after = (graph.add("PreviewImage", images=node) for node in (studio.scene, pasted))
    result = comfy_server.run(graph.prompt)
    (region,) = levels(comfy_server, result, mask)
    edited, carried, back, _ = (levels(comfy_server, result, node)[0] for node in pictures)
    before, after = (levels(comfy_server, result, node)[0] for node in (before, after))
    assert 0.02 < region.mean() < 0.6
    assert (after[region > 0.5] > 0.99).all() and np.array_equal(after[region < 0.5], before[region < 0.5])
    assert np.array_equal(edited, carried)
    change = np.abs(edited - back)
    assert change[region > 0.5].mean() > 5 * change[region < 0.5].mean()


@NEWEST
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"blocks": "absent"}, "No block name contains 'absent'. Use this network's blocks: "),
        ({"start": 0.5, "end": 0.5}, "0 of the trajectory's 5 steps lie in the range"),
        ({"image": "small"}, "The image is 64 x 64, but the trajectory is of an image of 128 x 128"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_said(
    comfy_server: ComfyServer, studio: Studio, settings: dict[str, Any], message: str
) -> None:
    if "image" in settings:
        settings = {"image": studio.graph.add("EmptyImage", width=64, height=64)}
    view(studio, **{"prompt": "a photo of a cat"} | settings)
    with pytest.raises(ExecutionFailed) as failed:
        comfy_server.run(studio.graph.prompt)
    assert message in failed.value.result.error["exception_message"]


@NEWEST
def test_pictures_of_any_size_get_masks_of_their_size_each_its_own(comfy_server: ComfyServer, studio: Studio) -> None:
    graph = studio.graph
    small = graph.add(
        "ImageScale", image=studio.scene, upscale_method="bilinear", width=100, height=76, crop="disabled"
    )
    edited = graph.add(
        "ImageScale", image=studio.scene[3], upscale_method="bilinear", width=100, height=76, crop="center"
    )
    pair = graph.add("ImageBatch", image1=small, image2=edited)
    encoded = graph.add("InversionEncode", image=pair, vae=studio.vae)
    seen = view(studio, image=pair, trajectory=studio.invert(latent=encoded, steps=3), mask_words="shirt", looks=1)
    nodes = [shown_mask(studio, mask) for mask in (seen[2], seen[1])]
    result = comfy_server.run(graph.prompt)
    chosen, words = (levels(comfy_server, result, node) for node in nodes)
    assert len(chosen) == 2 and len(words) > 8
    assert [mask.shape for mask in chosen] == [(76, 100)] * 2 and all(0 < mask.mean() < 1 for mask in chosen), [
        mask.mean() for mask in chosen
    ]
    assert not np.array_equal(*chosen)


def test_the_browser_gets_the_scripts_and_they_need_nothing_from_elsewhere(comfy_server: ComfyServer) -> None:
    paths = [path for path in comfy_server.get("/extensions") if "latent-inversion" in path]
    scripts = {path.rsplit("/", 1)[1]: comfy_server.request(path).decode() for path in paths}
    assert '"InversionAttentionView"' in scripts["attention_view.js"]
    assert len(scripts["attention_view.js"].splitlines()) <= 150
    for name, script in scripts.items():
        assert "://" not in script, name
