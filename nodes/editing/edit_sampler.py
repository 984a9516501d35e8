"""Inversion Edit Sampler: source and target side by side along a trajectory."""

from comfy_api.latest import io

from ...inversion_core.dial import FEW_STEPS, PRESETS
from ...inversion_core.loops.direct import ANCHORS
from ..kit.checks import require_painted
from ..kit.inputs import edits_input, mask_input, model_input, negative_input, trajectory_input
from ..kit.outputs import outcome, outcomes
from ..kit.schema import advanced, choice, fraction, number, schema, socket
from ..run.guidance import GUIDANCE
from ..sockets import NullTextSocket
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
            description="Samples the target prompt along the trajectory of an image, beside the source, which lends its attention "
            "to the edit. With the source prompt as target, the image is reconstructed.",
            search_aliases=[
                "edit image",
                "edit photo",
                "img2img edit",
                "img2img",
                "image to image",
                "restyle",
                "remove object",
                "inpaint by prompt",
                "change clothes",
                "prompt to prompt",
                "direct inversion",
                "negative prompt inversion",
            ],
            inputs=[
                model_input(),
                trajectory_input(),
                socket(io.Conditioning, "source").about("Prompt that the image was inverted with."),
                socket(io.Conditioning, "target").about("Prompt that describes the edited image."),
                negative_input(),
                *dial(),
                *rarer(),
                socket(NullTextSocket, "null_text", optional=True).about(
                    "Null text, from Null-Text Optimize at the same guidance."
                ),
                edits_input(),
                mask_input(),
            ],
            outputs=outcomes(
                "Latent of the reconstruction: the source branch without edit. Carries the drift for Inversion Report."
            ),
        )

    @classmethod
    def execute(
        cls, model, trajectory, source, target, negative, null_text=None, attention_edit=None, mask=None, **settings
    ) -> io.NodeOutput:
        prompts, lines = {"source": source, "target": target, "negative": negative}, []
        setup = Setup(**settings, null_text=null_text and null_text.null_text)
        mask = require_painted(mask)
        edited = edit_along(model, trajectory, prompts, setup.on, attention_edit, mask, lines.append)
        return outcome(edited, trajectory, lines)


def dial() -> list[io.Input]:
    """The dial, and guidance, which it turns."""
    return [
        choice("preset", [*PRESETS, OWN], default=next(iter(PRESETS))).about(
            "How strength acts. balanced: for most edits. keep the shape: colours and materials change, outlines stay "
            f"longer. new style or scene: more may change at once. {FEW_STEPS}: for models distilled to few steps (Lightning, LCM, "
            "DMD, Turbo, schnell, klein), at guidance 1. as set below: ignores strength; guidance and start act as set here, "
            "attention windows as set in the attention nodes."
        ),
        io.Float.Input(
            "strength",
            default=0.5,
            min=0.0,
            max=1.0,
            step=0.05,
            display_mode=io.NumberDisplay.slider,
            tooltip="How much may change. Higher: more guidance, shorter attention windows, an earlier start. Lower: closer to the "
            "image. At 0.5, 'balanced' leaves guidance and windows as they are set.",
        ),
        number("guidance", GUIDANCE, 1.0, 30.0, step=0.1).about(
            "Guidance scale of both prompts at the middle of strength. Models that take guidance as an input (Flux dev, "
            "HunyuanVideo) receive this value there, unless FluxGuidance on a prompt sets another; the default is then the model's "
            "usual value. With null text, guidance stays as set."
        ),
    ]


def rarer() -> list[io.Input]:
    """What most people leave as it is."""
    return [
        advanced(choice("anchor", ANCHORS, default="direct")).about(
            "direct: the source is the stored trajectory itself, exact at any guidance. none: the source is sampled "
            "too, and drifts under guidance unless null text or the source prompt as unconditional holds the source."
        ),
        advanced(choice("unconditional", [NEGATIVE, SOURCE])).about(
            "What guidance leads away from. 'source prompt' is negative-prompt inversion, which holds an unanchored "
            "source without any optimisation."
        ),
        advanced(fraction("start", 0.0)).about(
            "Fraction of the steps to skip at the noisy end, with the preset 'as set below'. Higher stays closer to the image."
        ),
    ]
