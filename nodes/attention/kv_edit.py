"""KV-Edit: the masked region made anew, in sight of the picture's own background."""

from comfy_api.latest import io

from ...inversion_core.techniques.settings import KVEdit
from ..kit.checks import require_painted, span
from ..kit.common import fraction, schema
from ..sockets import all_edits, another_edit
from .attention_edits import SettingPlan, add_edit


class InversionKVEdit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionKVEdit",
            display_name="KV-Edit",
            category="inversion/edit",
            description="Makes the masked region anew in sight of the picture's own background, which is kept exactly. "
            "Attention is computed for the masked region only.",
            search_aliases=["kv-edit", "inpaint", "background preservation"],
            inputs=[
                io.Mask.Input(
                    "mask", tooltip="The region that may change, in the picture's size; soft edges are blended."
                ),
                fraction(
                    "start", 0.0, "Fraction of the steps after which the region sees the picture's own background."
                ),
                fraction("end", 1.0, "Fraction of the steps up to which it does. The background is kept in any case."),
                another_edit(),
            ],
            outputs=[all_edits()],
        )

    @classmethod
    def execute(cls, mask, start, end, attention_edit=None) -> io.NodeOutput:
        if bool((require_painted(mask) >= 1).all()):
            raise ValueError(
                "KV-Edit's mask covers the whole picture, so no background is left to keep: paint the region that may change "
                "only, or leave KV-Edit out."
            )
        return io.NodeOutput(add_edit(attention_edit, SettingPlan(KVEdit(mask, span(start, end)))))
