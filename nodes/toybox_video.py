"""Moving scenes of the toybox, of which every frame's true edit is known."""

import torch
from comfy_api.latest import io
from torch import Tensor

from ..toybox.world import HELD_OUT_SEEDS, Scene, caption, edit_mask, render, video_scenes
from .common import schema
from .toybox import EDITS


class InversionToyboxVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionToyboxVideo",
            display_name="Toybox Video",
            category="inversion/toybox",
            description="Draws a portrait that sways and nods, and the true clip of an edit of it.",
            search_aliases=["test video", "ground truth"],
            inputs=[
                io.Int.Input(
                    "seed", default=23, min=0, max=2**32 - 1, control_after_generate=True, tooltip="Which portrait."
                ),
                io.Combo.Input(
                    "change", options=EDITS, default="time: night", tooltip="What the edited clip shows instead."
                ),
                io.Int.Input("frames", default=8, min=1, max=240, tooltip="Frames of one swing."),
            ],
            outputs=[
                io.Image.Output("images", display_name="frames", tooltip="The clip, 128 x 128."),
                io.String.Output("source_prompt", display_name="source prompt", tooltip="Its caption."),
                io.String.Output("target_prompt", display_name="target prompt", tooltip="The edited clip's caption."),
                io.Image.Output("true_edit", display_name="true edit", tooltip="What the edit has to look like."),
                io.Mask.Output("masks", display_name="masks", tooltip="Where each frame differs from its edit."),
            ],
        )

    @classmethod
    def execute(cls, seed: int, change: str, frames: int) -> io.NodeOutput:
        return io.NodeOutput(*drawn(seed, change, frames))


def drawn(seed: int, change: str, frames: int) -> tuple[Tensor, str, str, Tensor, Tensor]:
    """A held-out moving scene and its edit. Raises ValueError if the scene is already so, or does not show the change."""
    name, value = change.split(": ")
    source = Scene.from_seed(HELD_OUT_SEEDS + seed)
    target = source.replace(**{name: value})
    scenes = [video_scenes(scene, frames) for scene in (source, target)]
    images, edited = (render(clip).movedim(1, -1).clamp(0, 1) for clip in scenes)
    if torch.equal(images, edited):
        raise ValueError(
            f"The portrait of seed {seed} would not show {change}: {caption(source)}. Choose another change or seed."
        )
    masks = torch.stack([edit_mask(before, after) for before, after in zip(*scenes, strict=True)]).float()
    return images, caption(source), caption(target), edited, masks
