"""Latents between Inversion Encode and Inversion Decode in ComfyUI's own nodes, in a real ComfyUI: sizes and masks."""

from typing import Any

import numpy as np
import pytest

from harness.events import ExecutionFailed
from harness.graph import Graph, Node
from harness.server import ComfyServer
from harness.studio import Studio, error_of, pixels

WIDTH, HEIGHT = 200, 120
"""Continued to 256 x 128."""


class Odd(Studio):
    """The toybox and a picture of odd size."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph, steps=2)
        self.scene = graph.add(
            "ImageScale", image=self.scene, upscale_method="bilinear", width=WIDTH, height=HEIGHT, crop="center"
        )
        self.latent = self.encode()

    def encode(self, **settings: Any) -> Node:
        return self.graph.add("InversionEncode", **{"image": self.scene, "vae": self.vae} | settings)

    def whole(self, latent: Any) -> Node:
        """As ComfyUI decodes it."""
        return self.graph.add("PreviewImage", images=self.graph.add("VAEDecode", samples=latent, vae=self.vae))

    def half(self) -> Node:
        """A mask of the picture's right half."""
        blank = self.graph.add("SolidMask", value=0.0, width=WIDTH, height=HEIGHT)
        white = self.graph.add("SolidMask", value=1.0, width=WIDTH // 2, height=HEIGHT)
        return self.graph.add("MaskComposite", destination=blank, source=white, x=WIDTH // 2, y=0, operation="add")


@pytest.fixture
def odd(graph: Graph) -> Odd:
    return Odd(graph)


def picture(server: ComfyServer, result: Any, node: Node) -> np.ndarray:
    return pixels(server.images(result, node.id)[0])


def test_a_resized_latent_is_decoded_in_its_own_size(comfy_server: ComfyServer, odd: Odd) -> None:
    def by(factor: float) -> Node:
        return odd.graph.add("LatentUpscaleBy", samples=odd.latent, upscale_method="bilinear", scale_by=factor)

    def to(width: int, height: int) -> Node:
        given = {"samples": odd.latent, "upscale_method": "bilinear", "crop": "disabled"}
        return odd.graph.add("LatentUpscale", width=width, height=height, **given)

    latents = {
        (400, 240): by(2.0),
        (300, 180): by(1.5),
        (100, 60): by(0.5),
        (400, 120): to(512, 128),
        (50, 240): to(64, 256),
    }
    shown = {size: (odd.show(latent), odd.whole(latent)) for size, latent in latents.items()}
    result = comfy_server.run(odd.graph.prompt)
    for (width, height), pair in shown.items():
        ours, whole = (picture(comfy_server, result, node) for node in pair)
        assert ours.shape == (height, width, 3)
        assert np.array_equal(ours, whole[:height, :width])


def test_an_edit_of_a_resized_latent_has_its_size(comfy_server: ComfyServer, odd: Odd) -> None:
    large = odd.graph.add("LatentUpscaleBy", samples=odd.latent, upscale_method="bilinear", scale_by=1.5)
    edited = odd.sample(trajectory=odd.invert(latent=large, steps=2))
    again = odd.graph.add("LatentUpscaleBy", samples=edited[0], upscale_method="bilinear", scale_by=2.0)
    shown = [odd.show(one) for one in (edited[0], again)]
    result = comfy_server.run(odd.graph.prompt)
    assert [comfy_server.images(result, node.id)[0].size for node in shown] == [(300, 180), (600, 360)]


def test_a_cropped_latent_is_that_part_of_the_picture(comfy_server: ComfyServer, odd: Odd) -> None:
    cut = odd.graph.add("LatentCrop", samples=odd.latent, width=128, height=64, x=128, y=64)
    part, whole = odd.show(cut), odd.whole(cut)
    result = comfy_server.run(odd.graph.prompt)
    ours, theirs = (picture(comfy_server, result, node) for node in (part, whole))
    assert ours.shape == (56, 72, 3) and np.array_equal(ours, theirs[:56, :72])


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("LatentRotate", {"rotation": "90 degrees"}), ("LatentFlip", {"flip_method": "y-axis: horizontally"})],
)
def test_a_turned_latent_is_refused_where_it_was_padded(
    comfy_server: ComfyServer, odd: Odd, kind: str, settings: dict[str, Any]
) -> None:
    odd.show(odd.graph.add(kind, samples=odd.latent, **settings))
    with pytest.raises(ExecutionFailed) as failed:
        comfy_server.run(odd.graph.prompt)
    assert "rotated, flipped or cropped" in failed.value.result.error["exception_message"]


def test_a_mask_set_by_a_stock_node_means_the_picture(comfy_server: ComfyServer, odd: Odd) -> None:
    given = odd.encode(mask=odd.half())
    put = odd.graph.add("SetLatentNoiseMask", samples=odd.latent, mask=odd.half())
    edits = [odd.sample(trajectory=odd.invert(latent=latent, steps=2), guidance=4.0) for latent in (given, put)]
    same = odd.compare(edits[0][0], edits[1][0])

    def columns(latent: Any, first: int, count: int) -> Node:
        return odd.graph.add("LatentCrop", samples=latent, width=8 * count, height=128, x=8 * first, y=0)

    edited, kept = edits[1][0], edits[1][1]
    left, right = (odd.compare(*(columns(one, *part) for one in (edited, kept))) for part in ((0, 12), (13, 12)))
    result = comfy_server.run(odd.graph.prompt)
    assert error_of(result, same) == 0
    assert error_of(result, left) == 0 < 0.1 < error_of(result, right)


def test_a_multiple_that_the_vae_cannot_take_is_raised_to_one_that_it_can(comfy_server: ComfyServer, odd: Odd) -> None:
    narrow = odd.graph.add("EmptyImage", width=65, height=2)
    settings = ({"multiple": 37, "refine_steps": 1}, {"multiple": 12}, {"multiple": 511})
    shown = [odd.show(odd.encode(image=narrow, **more)) for more in settings]
    result = comfy_server.run(odd.graph.prompt)
    assert [comfy_server.images(result, node.id)[0].size for node in shown] == [(65, 2)] * 3


def test_the_name_of_a_file_can_say_the_picture_s_size(comfy_server: ComfyServer, odd: Odd) -> None:
    saved = odd.graph.add(
        "InversionSaveTrajectory",
        trajectory=odd.invert(latent=odd.latent, steps=2),
        filename_prefix="sizes/%width%x%height%",
    )
    (told,) = comfy_server.run(odd.graph.prompt).outputs[saved.id]["text"]
    assert told.startswith(f"saved sizes/{WIDTH}x{HEIGHT}_0")


def test_a_large_photo_is_edited_small_and_comes_back_whole(comfy_server: ComfyServer, odd: Odd) -> None:
    """Twelve million pixels on a model of 128 x 128: the shape is kept, and outside the mask every pixel."""
    width, height = 4000, 3000
    given = {"upscale_method": "bicubic", "width": width, "height": height, "crop": "center"}
    photo = odd.graph.add("ImageScale", image=odd.scene, **given)
    blank = odd.graph.add("SolidMask", value=0.0, width=width, height=height)
    white = odd.graph.add("SolidMask", value=1.0, width=width // 2, height=height)
    mask = odd.graph.add("MaskComposite", destination=blank, source=white, x=width // 2, y=0, operation="add")
    latent = odd.encode(image=photo, mask=mask, max_megapixels=0.0156)
    edited = odd.sample(trajectory=odd.invert(latent=latent, steps=2))
    shown = [odd.show(edited[0], original=photo, mask=mask), odd.graph.add("PreviewImage", images=photo)]
    result = comfy_server.run(odd.graph.prompt)
    after, before = (picture(comfy_server, result, node) for node in shown)
    assert after.shape == before.shape == (height, width, 3)
    assert np.array_equal(after[:, : width // 2], before[:, : width // 2])
    assert 3 < np.abs(after - before)[:, width // 2 :].mean() < 76, "of 255"
