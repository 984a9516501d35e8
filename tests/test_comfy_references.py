"""Edits that look at another picture, in a real ComfyUI: style references and garments, on both of the toybox's models."""

from typing import Any

import pytest

from harness.events import ExecutionFailed
from harness.graph import Graph
from harness.server import ComfyServer
from harness.studio import Studio, error_of

NEWEST = pytest.mark.newest_only("both nodes run on every version in the workflows style_from_picture and try_on")

UNET, DIT = "UNet (v-prediction)", "DiT (rectified flow)"
METHODS = ("StyleAligned", "StyleID")
PAIR = {"seed": 57, "other_seed": 33, "change": "wears the other's shirt"}


def make(server: ComfyServer, model: str = UNET) -> Studio:
    """A studio with a second picture, `other`, its prompt, and its trajectory on the same steps."""
    studio = Studio(Graph(server.object_info()), model=model, steps=4)
    add, studio.layer = studio.graph.add, 3
    studio.pair = add("InversionToyboxPair", **PAIR)
    studio.other_prompt = add("CLIPTextEncode", clip=studio.clip, text=studio.pair[3])
    studio.other = other(studio, studio.pair[2])
    studio.mask = add("SolidMask", value=1.0, width=128, height=128)
    studio.none = add("SolidMask", value=0.0, width=128, height=128)
    return studio


def other(studio: Studio, image: Any, steps: int = 4) -> Any:
    latent = studio.graph.add("InversionEncode", image=image, vae=studio.vae)
    return studio.invert(latent=latent, source=studio.other_prompt, steps=steps)


def style(studio: Studio, **settings: Any) -> Any:
    given = {"style": studio.other, "style_prompt": studio.other_prompt, "layer": studio.layer}
    return studio.graph.add("InversionStyleReference", **given | settings)


def garment(studio: Studio, **settings: Any) -> Any:
    given = {"garment": studio.other, "garment_prompt": studio.other_prompt, "garment_mask": studio.mask}
    return studio.graph.add("InversionGarmentReference", **given | {"region": studio.mask} | settings)


def difference(studio: Studio, edit: Any, plain: Any) -> Any:
    return studio.compare(studio.sample(attention_edit=edit), plain)


@NEWEST
@pytest.mark.parametrize("model", [UNET, DIT])
def test_references_change_an_edit_and_neutral_ones_do_not(comfy_server: ComfyServer, model: str) -> None:
    studio = make(comfy_server, model)
    plain = studio.sample()
    acting = {name: difference(studio, style(studio, method=name), plain) for name in METHODS}
    acting["garment"] = difference(studio, garment(studio), plain)
    chain = style(studio, attention_edit=garment(studio))
    acting["both"] = difference(studio, chain, studio.sample(attention_edit=garment(studio)))
    neutral = [
        difference(studio, style(studio, weight=0.0), plain),
        difference(studio, style(studio, method="StyleID", end=0.0, start_statistics=False), plain),
        difference(studio, garment(studio, attention_end=0.0, statistics_start=1.0, composed=False), plain),
    ]
    result = comfy_server.run(studio.graph.prompt)
    assert all(error_of(result, node) > 0.01 for node in acting.values())
    assert all(error_of(result, node) == 0 for node in neutral)


@NEWEST
def test_outside_the_region_the_picture_is_kept(comfy_server: ComfyServer) -> None:
    studio = make(comfy_server)
    add = studio.graph.add

    def left(width: int) -> Any:
        part = add("SolidMask", value=1.0, width=width, height=128)
        return add("MaskComposite", destination=studio.none, source=part, x=0, y=0, operation="add")

    edited = studio.sample(attention_edit=garment(studio, region=left(64)))
    kept = add("LatentCompositeMasked", destination=studio.latent, source=edited, x=0, y=0, mask=left(80))
    same, changed = studio.compare(edited, kept), studio.compare(edited, studio.latent)
    result = comfy_server.run(studio.graph.prompt)
    assert error_of(result, same) < 1e-6 < error_of(result, changed)


@NEWEST
def test_a_garment_is_brought_to_the_regions_size_and_place(comfy_server: ComfyServer) -> None:
    studio = make(comfy_server)
    region = studio.graph.add("SolidMask", value=1.0, width=96, height=64)
    placed = studio.graph.add("InversionGarmentPlace", garment=studio.pair[2], garment_mask=studio.mask, region=region)
    size = studio.graph.add("GetImageSize", image=placed[0])
    seen = studio.graph.add("PreviewAny", source=size[0])
    shown = studio.graph.add("MaskPreview", mask=placed[1]) if "MaskPreview" in comfy_server.object_info() else None
    result = comfy_server.run(studio.graph.prompt)
    assert result.outputs[seen.id]["text"][0] == "96"
    assert shown is None or shown.id in result.outputs


@NEWEST
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda s: style(s, style=other(s, s.pair[2], steps=3)), "Invert both on the same noise levels"),
        (
            lambda s: style(s, method="StyleID", layer=9),
            "layer 9 on, but the last .* is 5. Set a smaller layer, such as 3",
        ),
        (lambda s: garment(s, region=s.graph.add("SolidMask", value=1.0, width=64, height=64)), "The mask is 64 x 64"),
    ],
    ids=["another grid", "no such layer", "another size"],
)
def test_what_does_not_fit_is_told(comfy_server: ComfyServer, wrong: Any, says: str) -> None:
    studio = make(comfy_server)
    studio.show(studio.sample(attention_edit=wrong(studio))[0])
    with pytest.raises(ExecutionFailed, match=says):
        comfy_server.run(studio.graph.prompt)
