"""Plug-and-Play: the picture's own features and self-attention in the place of the edit's."""

from typing import Any

from comfy_api.latest import io

from ...inversion_core.backends.comfy.features import check_layer
from ...inversion_core.techniques.plug_and_play import ATTENTION_END, FEATURE_END, LAYER
from ...inversion_core.techniques.settings import PlugAndPlay
from ..kit.inputs import all_edits, another_edit
from ..kit.schema import fraction, integer, schema
from ..sockets import LatentTrajectory
from .attention_edits import SettingPlan, add_edit


class InversionPlugAndPlay(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionPlugAndPlay",
            display_name="Plug-and-Play",
            category="inversion/edit",
            description="Keeps the layout and the shapes of the image by taking features and self-attention of the decoder from the "
            "source. The target prompt may differ from the source prompt in every word. For UNets (SD 1, 2 and XL).",
            search_aliases=["pnp", "feature injection", "image to image translation"],
            inputs=[
                fraction("feature_end", FEATURE_END).about(
                    "Stop taking features from the source after this fraction of the steps. Higher keeps more shapes."
                ),
                fraction("attention_end", ATTENTION_END).about(
                    "Stop taking self-attention from the source after this fraction of the steps. Higher keeps more of the layout."
                ),
                integer("layer", LAYER, 0, 32).about(
                    "Decoder layer whose features are taken, counted from the coarsest; self-attention is taken from this "
                    "layer on. The published layer is 4 of the 12 of SD 1. Higher keeps more of the image."
                ),
                another_edit(),
            ],
            outputs=[all_edits()],
        )

    @classmethod
    def execute(cls, feature_end, attention_end, layer, attention_edit=None) -> io.NodeOutput:
        return io.NodeOutput(add_edit(attention_edit, PlugAndPlayPlan(PlugAndPlay(feature_end, attention_end, layer))))


class PlugAndPlayPlan(SettingPlan):
    """Plug-and-Play, for networks whose decoder has the layer."""

    setting: PlugAndPlay

    def check(self, model: Any, record: LatentTrajectory) -> None:
        check_layer(model.model.diffusion_model, self.setting.layer)
