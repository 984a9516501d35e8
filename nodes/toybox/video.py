"""Moving scenes of the toybox, of which every frame's true edit is known."""

from comfy_api.latest import io

from ..kit.common import schema
from .loader import EDITS, drawn


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
                    "seed", default=23, min=0, max=2**64 - 1, control_after_generate=True, tooltip="Which portrait."
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
