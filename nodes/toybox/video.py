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
            description="Draws a clip of a portrait that sways and nods, and the true result of an edit of that clip.",
            search_aliases=["test video", "ground truth"],
            inputs=[
                io.Int.Input(
                    "seed", default=23, min=0, max=2**64 - 1, control_after_generate=True, tooltip="Portrait seed."
                ),
                io.Combo.Input(
                    "change", options=EDITS, default="time: night", tooltip="What the edited clip shows instead."
                ),
                io.Int.Input("frames", default=8, min=1, max=240, tooltip="Number of frames in one swing."),
            ],
            outputs=[
                io.Image.Output("images", display_name="frames", tooltip="The clip, 128 x 128."),
                io.String.Output("source_prompt", display_name="source prompt", tooltip="Caption of the clip."),
                io.String.Output("target_prompt", display_name="target prompt", tooltip="Caption of the edited clip."),
                io.Image.Output("true_edit", display_name="true edit", tooltip="The true result of the edit."),
                io.Mask.Output("masks", display_name="masks", tooltip="Regions where frame and true edit differ."),
            ],
        )

    @classmethod
    def execute(cls, seed: int, change: str, frames: int) -> io.NodeOutput:
        return io.NodeOutput(*drawn(seed, change, frames))
