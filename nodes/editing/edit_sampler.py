"""Inversion Edit Sampler: source and target side by side along a trajectory."""

from comfy_api.latest import io

from ...inversion_core.dial import FEW_STEPS, PRESETS
from ...inversion_core.loops.direct import ANCHORS
from ..kit.checks import require_painted
from ..kit.common import advanced, fraction, schema
from ..kit.outputs import outcome, outcomes
from ..run.guidance import GUIDANCE
from ..sockets import AttentionEditSocket, NullTextSocket, TrajectorySocket
from .edit_setup import NEGATIVE, SOURCE, Setup
from .method_inputs import OWN
from .run_edit import edit_along


class InversionEditSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionEditSampler",
            display_name="Inversion Edit Sampler",
            category="inversion/edit",
            description="Samples the target prompt along the trajectory of a picture, beside the source that lends it "
            "its attention. With the source prompt as target it re-creates the picture.",
            search_aliases=["prompt to prompt", "direct inversion", "negative prompt inversion", "edit image"],
            inputs=[
                io.Model.Input("model", tooltip="The model that made the trajectory, with the same LoRAs."),
                TrajectorySocket.Input("trajectory", tooltip="The picture's trajectory, from DDIM Invert."),
                io.Conditioning.Input("source", tooltip="The prompt that the picture was inverted with."),
                io.Conditioning.Input("target", tooltip="The prompt of the edited picture."),
                io.Conditioning.Input("negative", tooltip="The negative prompt, usually empty."),
                *dial(),
                *rarer(),
                NullTextSocket.Input(
                    "null_text", optional=True, tooltip="From Null-Text Optimize at the same guidance."
                ),
                AttentionEditSocket.Input("attention_edit", optional=True, tooltip="From Attention Edit."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the picture may change, in its size; instead of a mask given to Inversion Encode.",
                ),
            ],
            outputs=outcomes(
                "The source's own end: the picture re-created. It carries the drift for Inversion Report."
            ),
        )

    @classmethod
    def execute(
        cls, model, trajectory, source, target, negative, null_text=None, attention_edit=None, mask=None, **settings
    ) -> io.NodeOutput:
        prompts, lines = {"source": source, "target": target, "negative": negative}, []
        setup = Setup(**settings, null_text=null_text and null_text.null_text)
        mask = require_painted(mask)
        edited = edit_along(model, trajectory, prompts, setup, attention_edit, mask, lines.append)
        return outcome(edited, trajectory, lines)


def dial() -> list[io.Input]:
    """The dial, and guidance, which it turns."""
    return [
        io.Combo.Input(
            "preset",
            options=[*PRESETS, OWN],
            default=next(iter(PRESETS)),
            tooltip="What strength turns. balanced: for most edits. keep the shape: colours and materials change, "
            "outlines stay longer. new style or scene: more may change at once. "
            f"{FEW_STEPS}: for models distilled to few steps (Lightning, LCM, DMD, Turbo, schnell, klein); guidance is 1. as set "
            "below: strength is not used; guidance and start are as set here, the windows of attention as set in their nodes.",
        ),
        io.Float.Input(
            "strength",
            default=0.5,
            min=0.0,
            max=1.0,
            step=0.05,
            display_mode=io.NumberDisplay.slider,
            tooltip="How much may change. Up: more guidance, shorter attention windows, an earlier start. Down: closer "
            "to the picture. At 0.5, 'balanced' leaves guidance and windows as they are set.",
        ),
        io.Float.Input(
            "guidance",
            default=GUIDANCE,
            min=1.0,
            max=30.0,
            step=0.1,
            tooltip="Guidance of both, in the middle of strength. Models that take it as an input (Flux dev, HunyuanVideo) are "
            "told it there, after FluxGuidance on a prompt; the default is then their usual. With null text it stays as set.",
        ),
    ]


def rarer() -> list[io.Input]:
    """What most people leave as it is."""
    return [
        advanced(
            io.Combo.Input(
                "anchor",
                options=list(ANCHORS),
                default="direct",
                tooltip="direct: the source is the stored trajectory itself, exact at any guidance. none: the source "
                "is sampled too, and drifts under guidance unless null text or the source prompt holds it.",
            )
        ),
        advanced(
            io.Combo.Input(
                "unconditional",
                options=[NEGATIVE, SOURCE],
                default=NEGATIVE,
                tooltip="What guidance leads away from. 'source prompt' is negative-prompt inversion: it holds an "
                "unanchored source without any optimisation.",
            )
        ),
        advanced(
            fraction(
                "start",
                0.0,
                "With the preset 'as set below': the fraction of the steps to leave out at the noisy end; more stays "
                "closer to the picture.",
            )
        ),
    ]
