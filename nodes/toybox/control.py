"""The toybox's ControlNet in ComfyUI, and the pictures of edges that it goes by."""

from comfy_api.latest import io

from ..kit.checks import rgb
from ..kit.schema import output, schema, socket


class InversionToyboxControlNet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionToyboxControlNet",
            display_name="Toybox ControlNet",
            category="inversion/toybox",
            description="Loads the ControlNet of the toybox's UNet: an image of edges says where things are, the prompt what they "
            "look like. Apply ControlNet takes this ControlNet like any other, on the source, the target or both.",
            search_aliases=["load controlnet", "toybox controlnet"],
            inputs=[],
            outputs=[
                output(io.ControlNet, "control_net").about(
                    "For Apply ControlNet. Hints come from Edges (ComfyUI's Canny at 0.1 and 0.2 also works)."
                ),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        from ...toybox.hosts.comfy_control import load_comfy_control

        return io.NodeOutput(load_comfy_control())


class InversionEdges(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionEdges",
            display_name="Edges",
            category="inversion/toybox",
            description="Draws the edges of an image in white on black: much the same by day and by night, for a photo and for a "
            "painting. Use as the hint of the toybox's ControlNet.",
            search_aliases=["sobel", "soft edge", "hed", "canny"],
            inputs=[socket(io.Image, "image").about("Image to draw edges from, usually the image that is inverted.")],
            outputs=[output(io.Image, "edges").about("The hint for Apply ControlNet.")],
        )

    @classmethod
    def execute(cls, image) -> io.NodeOutput:
        from ...toybox.control import edges

        return io.NodeOutput(edges(rgb(image).movedim(-1, 1)).movedim(1, -1))
