"""Virtual try-on: bringing a garment to where it is worn, and wearing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ...inversion_core.applications.registration import registered
from ...inversion_core.applications.try_on import DEFAULT, Fit, dressed
from ...inversion_core.attention.technique import Technique
from ...inversion_core.techniques.garment import Worn
from ..kit.checks import require_painted, rgb
from ..kit.common import blend_mask, check_model, latent_mask_for
from ..kit.inputs import all_edits, another_edit
from ..kit.schema import fraction, number, output, schema, socket
from ..sockets import LatentTrajectory, TrajectorySocket
from .attention_edits import Plan, Ready, add_edit


class InversionGarmentPlace(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionGarmentPlace",
            display_name="Garment Place",
            category="inversion/edit",
            description="Moves and scales an image of a garment until the garment covers the clothing of a person, ready to be "
            "encoded and inverted for Garment Reference. Masks come from Attention View, or are painted.",
            search_aliases=["try on", "virtual try-on", "align", "register"],
            inputs=[
                socket(io.Image, "garment").about("An image that shows the garment, worn or by itself."),
                socket(io.Mask, "garment_mask").about("Region of the garment in the garment image."),
                socket(io.Mask, "region").about("Region of the clothing, at the size of the person's image."),
            ],
            outputs=[
                output(io.Image, "image").about("The garment in place, at the size of the person's image."),
                output(io.Mask, "mask").about("Region of the garment in the placed image."),
            ],
        )

    @classmethod
    def execute(cls, garment, garment_mask, region) -> io.NodeOutput:
        masks = require_painted(garment_mask, "garment_mask"), require_painted(region, "region")
        return io.NodeOutput(*place(rgb(garment), *masks))


def place(garment: Tensor, mask: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures `[batch, height, width, 3]` and masks, each garment where its region is. Raises ValueError if numbers or sizes do not fit."""
    masks, regions = blend_mask(mask, None, len(garment)), blend_mask(region, None)
    if masks.shape[-2:] != garment.shape[1:3]:
        raise ValueError(
            f"The garment mask is {masks.shape[3]} x {masks.shape[2]}, but the garment image is {garment.shape[2]} x "
            f"{garment.shape[1]}. Paint the mask at the size of the image, or resize the mask."
        )
    rows, size = max(len(garment), len(regions)), (regions.shape[2], regions.shape[3])
    if len(garment) not in (1, rows) or len(regions) not in (1, rows):
        raise ValueError(
            f"There are {len(garment)} garments for {len(regions)} regions. Connect one garment for all regions, or one per region."
        )
    pictures, moved = [], []
    for row in range(rows):
        picture, worn, wanted = (t[row % len(t)][None] for t in (garment.movedim(-1, 1), masks, regions))
        placement = registered(wanted, worn)
        pictures.append(placement.of(picture, size).movedim(1, -1).clamp(0, 1))
        moved.append(placement.of(worn, size)[:, 0].clamp(0, 1))
    return torch.cat(pictures), torch.cat(moved)


class InversionGarmentReference(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionGarmentReference",
            display_name="Garment Reference",
            category="inversion/edit",
            description="Edits a person to wear the garment of another image in a region, and keeps the person elsewhere. Invert "
            "both images on the same steps, the garment after Garment Place.",
            search_aliases=["try on", "virtual try-on", "change clothes", "clothes swap", "outfit"],
            inputs=[
                socket(TrajectorySocket, "garment").about("Trajectory of the garment image."),
                socket(io.Conditioning, "garment_prompt").about("Prompt that the garment image was inverted with."),
                socket(io.Mask, "garment_mask").about("Region of the garment in the garment image."),
                socket(io.Mask, "region").about("Region to dress, at the size of the person's image."),
                io.Boolean.Input(
                    "composed",
                    default=DEFAULT.composed,
                    tooltip="Starts the region from the garment's noise, which keeps pattern and tint. Needs a garment that Garment "
                    "Place has put in place.",
                ),
                number("beta", round(DEFAULT.beta, 6), -10.0, 10.0, step=0.05).about(
                    "How much more the region attends to the garment: added to the attention logits of the garment. Higher takes "
                    "more of the garment."
                ),
                fraction("attention_end", DEFAULT.attention_end).about(
                    "Stop attending to the garment after this fraction of the steps. Higher takes more of the garment."
                ),
                fraction("statistics_start", DEFAULT.statistics_start).about(
                    "Start taking the garment's mean and spread, and thus its light, into the region after this fraction of the "
                    "steps. 1 never does."
                ),
                another_edit(),
            ],
            outputs=[all_edits()],
        )

    @classmethod
    def execute(cls, garment, garment_prompt, garment_mask, region, attention_edit=None, **settings) -> io.NodeOutput:
        masks = require_painted(garment_mask, "garment_mask"), require_painted(region, "region")
        plan = GarmentReference(garment, garment_prompt, *masks, Fit(**settings))
        return io.NodeOutput(add_edit(attention_edit, plan))


@dataclass(frozen=True)
class GarmentReference(Plan):
    """A garment before the prompts are ready."""

    garment: LatentTrajectory
    prompt: Any
    mask: Tensor
    region: Tensor
    fit: Fit

    @property
    def prompts(self) -> Mapping[str, Any]:
        return {"garment": self.prompt}

    def check(self, model: Any, record: LatentTrajectory) -> None:
        super().check(model, record)
        check_model(self.garment, model, self.prompt, "garment's trajectory")
        self._masks_for(record)

    def settings(self, ready: Ready) -> list[Technique]:
        mask, region = self._masks_for(ready.record)
        worn = Worn(self.garment.trajectory, ready.prompt("garment"), mask, region)
        return dressed(worn, ready.record.trajectory.sigmas, self.fit)

    def _masks_for(self, record: LatentTrajectory) -> tuple[Tensor, Tensor]:
        """Both masks for the latents. Raises ValueError if one does not fit its picture."""
        return latent_mask_for(self.mask, self.garment), latent_mask_for(self.region, record)

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [*self.garment._comfy_cache_tensors(), *super()._comfy_cache_tensors()]
