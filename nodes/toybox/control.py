"""The toybox's ControlNet in ComfyUI, and the pictures of edges that it goes by."""

from comfy_api.latest import io

from ..kit.checks import rgb
from ..kit.common import schema


class InversionToyboxControlNet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionToyboxControlNet",
            display_name="Toybox ControlNet",
            category="inversion/toybox",
            description="The ControlNet of the toybox's UNet: a picture of edges says where things are, the prompt what they "
            "look like. Apply ControlNet takes it like any other, on the source, the target or both.",
            search_aliases=["load controlnet", "toybox controlnet"],
            inputs=[],
            outputs=[
                io.ControlNet.Output(
                    "control_net",
                    display_name="control net",
                    tooltip="For Apply ControlNet; its hint is from Edges (ComfyUI's Canny at 0.1 and 0.2 serves too).",
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
            description="Draws the edges of a picture, white on black, much the same by day and by night, of a photo and of "
            "a painting: the hint of the toybox's ControlNet.",
            search_aliases=["sobel", "soft edge", "hed", "canny"],
            inputs=[io.Image.Input("image", tooltip="The picture, best the one that is inverted.")],
            outputs=[io.Image.Output("edges", display_name="edges", tooltip="The hint, as large as the picture.")],
        )

    @classmethod
    def execute(cls, image) -> io.NodeOutput:
        from ...toybox.control import edges

        return io.NodeOutput(edges(rgb(image).movedim(-1, 1)).movedim(1, -1))
