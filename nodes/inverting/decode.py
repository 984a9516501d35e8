"""Inversion Decode: a latent back to a picture of the original size."""

from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..kit.checks import NOT_CONNECTED, decoding, rgb
from ..kit.common import blend_mask, resized
from ..kit.latents import frame_of
from ..kit.schema import output, schema, socket
from ..run.progress import by_parts

BOTH = "Keeping the original outside a mask needs both the original image and the mask. Connect both, or neither."


class InversionDecode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionDecode",
            display_name="Inversion Decode",
            category="inversion/invert",
            description="Decodes a latent to the size of the image that was given to Inversion Encode. With the original image and "
            "a mask, every pixel outside the mask is exactly the original.",
            search_aliases=["vae decode"],
            inputs=[
                socket(io.Latent, "latent").about("Latent from DDIM Invert or Inversion Edit Sampler."),
                socket(io.Vae, "vae").about("The VAE that encoded the image."),
                socket(io.Image, "original", optional=True).about("The original image, shown outside the mask."),
                socket(io.Mask, "mask", optional=True).about(
                    "Region that shows the decoded image. The rest shows the original."
                ),
            ],
            outputs=[output(io.Image, "image").about("The image at its original size.")],
        )

    @classmethod
    def validate_inputs(cls, original: Any = NOT_CONNECTED, mask: Any = NOT_CONNECTED) -> bool | str:
        return (original is NOT_CONNECTED) == (mask is NOT_CONNECTED) or BOTH

    @classmethod
    def execute(
        cls, latent: Any, vae: Any, original: Tensor | None = None, mask: Tensor | None = None
    ) -> io.NodeOutput:
        return io.NodeOutput(decode(vae, latent, original, mask))


def decode(vae: Any, latent: dict[str, Any], original: Tensor | None, mask: Tensor | None) -> Tensor:
    """The pictures `[batch, height, width, 3]`. Raises ValueError if the VAE, the original or the mask does not fit."""
    pixels = pictures_of(vae, latent)
    if (original is None) != (mask is None):
        raise ValueError(BOTH)
    if original is None or mask is None:
        return pixels
    original = rgb(original).to(pixels)
    if original.shape[1:] != pixels.shape[1:] or len(original) not in (1, len(pixels)):
        raise ValueError(
            f"The original is {original.shape[2]} x {original.shape[1]} ({len(original)} images), but the decoded image is "
            f"{pixels.shape[2]} x {pixels.shape[1]} ({len(pixels)} images). Connect the image that was encoded."
        )
    if mask.shape[-2:] != pixels.shape[1:3]:
        raise ValueError(
            f"The mask is {mask.shape[-1]} x {mask.shape[-2]}, but the image is {pixels.shape[2]} x {pixels.shape[1]}. Paint the "
            "mask at the size of the image, or resize the mask."
        )
    weight = blend_mask(mask, None, len(pixels)).movedim(1, -1).to(pixels)
    return torch.where(weight > 0, weight * pixels + (1 - weight) * original, original)


def with_frames(samples: Tensor, sides: int | None) -> Tensor:
    """Latents with a frame axis for a VAE of videos, and of one frame without for one of pictures."""
    if samples.ndim == 4 and sides == 3:
        return samples.unsqueeze(2)
    return samples[:, :, 0] if samples.ndim == 5 and sides == 2 else samples


def pictures_of(vae: Any, latent: dict[str, Any]) -> Tensor:
    """The pictures of a LATENT, of a video its frames, in the size that Inversion Encode was given, or to which the latent was resized since.

    Raises as `frame_of` and `decoding`.
    """
    frame, samples = frame_of(latent), latent["samples"]
    with decoding(vae, samples):
        samples = with_frames(samples, getattr(vae, "latent_dim", None))
        pixels = by_parts(lambda part: vae.decode(part).cpu(), samples, "decode")
    if frame is not None and frame.frames is not None and pixels.ndim == 5:
        pixels = pixels[:, : frame.frames]
    pixels = pixels.reshape(-1, *pixels.shape[-3:])
    if frame is None:
        return pixels
    height, width = (
        round(side * now / whole)  # some VAEs decode to another size than they encode
        for side, now, whole in zip(
            (frame.height, frame.width), pixels.shape[1:3], (frame.padded_height, frame.padded_width), strict=True
        )
    )
    pixels = pixels[:, :height, :width]
    return pixels if frame.encoded_height is None else resized(pixels, frame.height, frame.width)
