"""KV-Edit: the masked region made anew, in sight of the picture's own background."""

from comfy_api.latest import io

from ...inversion_core.techniques.settings import KVEdit
from ..kit.checks import require_painted, span
from ..kit.inputs import all_edits, another_edit
from ..kit.schema import fraction, schema, socket
from .attention_edits import SettingPlan, add_edit


class InversionKVEdit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionKVEdit",
            display_name="KV-Edit",
            category="inversion/edit",
            description="Redraws the masked region while attending to the original background, which is kept exactly. Attention is "
            "computed for the masked region only.",
            search_aliases=["kv-edit", "inpaint by prompt", "remove object", "inpaint", "background preservation"],
            inputs=[
                socket(io.Mask, "mask").about(
                    "Region that may change, at the size of the image. Soft edges are blended."
                ),
                fraction("start", 0.0).about(
                    "Start attending to the original background after this fraction of the steps."
                ),
                fraction("end", 1.0).about(
                    "Stop attending to the original background after this fraction of the steps. The background is kept in any case."
                ),
                another_edit(),
            ],
            outputs=[all_edits()],
        )

    @classmethod
    def execute(cls, mask, start, end, attention_edit=None) -> io.NodeOutput:
        if bool((require_painted(mask) >= 1).all()):
            raise ValueError(
                "The KV-Edit mask covers the whole image, so no background is left to keep. Paint only the region that may change, "
                "or remove KV-Edit."
            )
        return io.NodeOutput(add_edit(attention_edit, SettingPlan(KVEdit(mask, span(start, end)))))
