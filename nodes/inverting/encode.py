"""Inversion Encode: a picture of any size to a LATENT that remembers it."""

from math import prod, sqrt
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..kit.checks import check_vae, require_painted, rgb
from ..kit.common import blend_mask, held, padded, resized
from ..kit.schema import advanced, choice, integer, number, output, schema, socket
from ..kit.vaes import AUTOMATIC, CLIP, PICTURES, encoder, frame_for
from ..run.progress import by_parts
from .refine import refined


class InversionEncode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionEncode",
            display_name="Inversion Encode",
            category="inversion/invert",
            description="Encodes an image of any size for inversion. Sizes that the model cannot take are padded by reflection, "
            "never stretched or cropped; Inversion Decode restores the original size.",
            search_aliases=["vae encode", "invert image", "pad image"],
            inputs=[
                socket(io.Image, "image").about(
                    "Image to invert. An alpha channel is ignored; a single channel counts as grey."
                ),
                socket(io.Vae, "vae").about("The VAE of the model that will invert the image."),
                socket(io.Mask, "mask", optional=True).about(
                    "Region where a later edit may change the image, at the size of the image. The mask travels with the "
                    "latent and the trajectory; Inversion Edit Sampler keeps the source outside the mask."
                ),
                io.Int.Input(
                    "multiple",
                    default=64,
                    min=8,
                    max=512,
                    step=8,
                    optional=True,
                    tooltip="Pads width and height to multiples of this many pixels, or of the next number that the VAE can take. "
                    "64 suits all Stable Diffusion UNets.",
                ),
                integer("refine_steps", 0, 0, 1000, optional=True).about(
                    "Steps that optimise the latent until the latent decodes to the image. Recovers what encoding and "
                    "decoding lose; 30 is usual. Needs gradients through the VAE: about three times the memory."
                ),
                advanced(choice("batch", [AUTOMATIC, PICTURES, CLIP], optional=True)).about(
                    "What a batch is to a video VAE. 'a clip': all frames share one latent. 'pictures': each image has "
                    "a latent of its own, for image models with such a VAE (Qwen-Image, Anima). 'automatic': what ComfyUI does, "
                    "mostly a clip. Other VAEs always take single images."
                ),
                number("max_megapixels", 0.0, 0.0, 16.0, step=0.01, optional=True).about(
                    "Scales a larger image down to this many million pixels before encoding, without changing its shape; "
                    "Inversion Decode restores the original size. 0.25 suits Stable Diffusion 1; 1 suits SDXL, Stable Diffusion "
                    "3, Flux and Qwen-Image. 0 keeps the size."
                ),
            ],
            outputs=[
                output(io.Latent, "latent").about("Latent of the image. Also carries the original size and the mask.")
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        vae: Any,
        mask: Tensor | None = None,
        multiple: int = 64,
        refine_steps: int = 0,
        batch: str = AUTOMATIC,
        max_megapixels: float = 0.0,
    ) -> io.NodeOutput:
        return io.NodeOutput(encode(vae, image, require_painted(mask), multiple, refine_steps, batch, max_megapixels))


def encode(
    vae: Any,
    image: Tensor,
    mask: Tensor | None,
    multiple: int,
    refine_steps: int = 0,
    batch: str = AUTOMATIC,
    max_megapixels: float = 0.0,
) -> dict[str, Any]:
    """The LATENT of pictures `[batch, height, width, channels]`. Raises ValueError if they are no pictures, there is no VAE, or the mask does not fit."""
    check_vae(vae)
    pixels = at_most(rgb(image), max_megapixels)
    frame = frame_for(vae, tuple(pixels.shape), multiple, batch)
    pixels, work = padded(pixels, frame.padded_height, frame.padded_width), encoder(vae, frame)
    samples = work(held(pixels, frame.padded_frames)) if frame.frames else by_parts(work, pixels, "encode")
    if refine_steps:
        samples = refined(vae, samples, pixels, refine_steps)
    frame = frame.before_scaling(*image.shape[1:3])
    latent = frame.latent(samples)
    return latent if mask is None else latent | {"noise_mask": blend_mask(mask, frame, len(image))}


def at_most(pixels: Tensor, megapixels: float) -> Tensor:
    """Pictures scaled down to `megapixels` * 1024 * 1024 pixels (as ComfyUI counts them) if they are larger; as they are at 0."""
    sides = pixels.shape[1:3]
    by = sqrt(megapixels * 1024**2 / prod(sides))
    return resized(pixels, *(max(1, round(side * by)) for side in sides)) if 0 < by < 1 else pixels
