"""Moving scenes of the toybox, of which every frame's true edit is known."""

from comfy_api.latest import io

from ..kit.schema import integer, output, schema
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
                integer("frames", 8, 1, 240).about("Number of frames in one swing."),
            ],
            outputs=[
                output(io.Image, "images", "frames").about("The clip, 128 x 128."),
                *edit_outputs("clip"),
                output(io.Mask, "masks").about("Regions where frame and true edit differ."),
            ],
        )

    @classmethod
    def execute(cls, seed: int, change: str, frames: int) -> io.NodeOutput:
        return io.NodeOutput(*draw_edit(seed, change, frames))
