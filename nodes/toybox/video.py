"""Moving scenes of the toybox, of which every frame's true edit is known."""

from comfy_api.latest import io

from ..kit.common import schema
from .loader import draw_edit, edit_inputs, edit_outputs


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
                *edit_inputs("clip"),
                io.Int.Input("frames", default=8, min=1, max=240, tooltip="Number of frames in one swing."),
            ],
            outputs=[
                io.Image.Output("images", display_name="frames", tooltip="The clip, 128 x 128."),
                *edit_outputs("clip"),
                io.Mask.Output("masks", display_name="masks", tooltip="Regions where frame and true edit differ."),
            ],
        )

    @classmethod
    def execute(cls, seed: int, change: str, frames: int) -> io.NodeOutput:
        return io.NodeOutput(*draw_edit(seed, change, frames))
