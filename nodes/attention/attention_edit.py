"""Attention Edit: what a changed prompt may change, as a value for the edit sampler."""

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...inversion_core.prompts import tokens as alignments
from ...inversion_core.techniques.local_blend import START, THRESHOLD
from ...inversion_core.techniques.prompt_to_prompt import CROSS_END, SELF_END
from ..kit.checks import mistaken_words, ordered, painted
from ..kit.common import advanced, fraction, schema
from ..kit.prompt_text import weights_of, word_list
from ..run.prompt_places import text_of
from ..run.prompt_tokens import look_up
from ..sockets import all_edits, another_edit
from .attention_edits import AttentionPlan, BlendWords, after

MODES = {
    "replace": alignments.replace,
    "refine": alignments.refine,
    "blend only": alignments.refine,
}
WHAT_MODES_DO = (
    "replace: a target word in the place of a source word takes over the attention of that word (cat -> dog). refine: "
    "shared words take the attention of the source prompt, new words keep their own. blend only: attention stays unchanged, the "
    "words only say where the edit may act."
)


class InversionAttentionEdit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionAttentionEdit",
            display_name="Attention Edit",
            category="inversion/edit",
            description="Prompt-to-Prompt: takes attention from the source prompt, so that the edited image keeps the layout of the "
            "original. Words or a mask can limit the edit to one region (local blend).",
            search_aliases=["prompt to prompt", "p2p", "local blend", "cross attention control"],
            inputs=[
                io.Clip.Input("clip", tooltip="Text encoder of the model."),
                io.String.Input("source_prompt", multiline=True, tooltip="Prompt that describes the original image."),
                io.String.Input(
                    "target_prompt",
                    multiline=True,
                    tooltip="Prompt that describes the edited image. Change only a few words of the source prompt.",
                ),
                io.Combo.Input("mode", options=list(MODES), default="replace", tooltip=WHAT_MODES_DO),
                *windows(),
                io.String.Input(
                    "word_weights",
                    default="",
                    multiline=True,
                    tooltip="Strengthens or weakens words of the target prompt, one per line: 'smiling: 2.5'. Weights act while "
                    "cross-attention is controlled.",
                ),
                *blending(),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Region that may change, at the size of the image, besides the words of local blend.",
                ),
                another_edit(),
            ],
            outputs=[
                all_edits(),
                io.Conditioning.Output("source", display_name="source", tooltip="The encoded source prompt."),
                io.Conditioning.Output("target", display_name="target", tooltip="The encoded target prompt."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, source_prompt="", target_prompt="", word_weights="", blend_source_words="", blend_target_words=""
    ) -> bool | str:
        words = source_prompt, target_prompt, blend_source_words, blend_target_words, word_weights
        return mistaken_words(*words) or True

    @classmethod
    def execute(cls, clip, source_prompt, target_prompt, mask=None, attention_edit=None, **settings) -> io.NodeOutput:
        plan = plan_of(clip, source_prompt, target_prompt, mask, **settings)
        return io.NodeOutput(after(attention_edit, plan), plan.source.encoded, plan.target.encoded)


def windows() -> list[io.Input]:
    """The inputs that say how long the source's attention is kept."""
    return [
        advanced(fraction("cross_start", 0.0, "Start controlling cross-attention after this fraction of the steps.")),
        fraction(
            "cross_end",
            CROSS_END,
            "Stop controlling cross-attention after this fraction of the steps. Higher keeps more of the original layout. The "
            "published value is 0.4.",
        ),
        advanced(
            fraction("self_start", 0.0, "Start taking self-attention from the source after this fraction of the steps.")
        ),
        fraction(
            "self_end",
            SELF_END,
            "Stop taking self-attention from the source after this fraction of the steps. Higher keeps more of the original shapes. "
            "Use less with transformers (SD3, Flux, Qwen-Image, Wan): 0.4.",
        ),
    ]


def blending() -> list[io.Input]:
    """The inputs of local blend."""
    return [
        io.String.Input(
            "blend_source_words",
            default="",
            tooltip="Local blend: comma-separated words of the source prompt whose region may change.",
        ),
        io.String.Input(
            "blend_target_words",
            default="",
            tooltip="Local blend: comma-separated words of the target prompt whose region may change.",
        ),
        advanced(
            fraction(
                "blend_start", START, "Local blend: keep the rest from the source after this fraction of the steps."
            )
        ),
        advanced(
            fraction(
                "blend_threshold",
                THRESHOLD,
                "Local blend: threshold relative to a word's strongest attention. Lower gives a larger region.",
            )
        ),
    ]


def plan_of(
    clip: Any,
    source_prompt: str,
    target_prompt: str,
    mask: Tensor | None,
    *,
    mode: str,
    cross_start: float,
    cross_end: float,
    self_start: float,
    self_end: float,
    word_weights: str,
    blend_source_words: str,
    blend_target_words: str,
    blend_start: float,
    blend_threshold: float,
) -> AttentionPlan:
    """The edit of two prompts. Raises ValueError if a word is in none of them or there is nothing to do."""
    source, target = (text_of(clip, text) for text in (source_prompt, target_prompt))
    ours, theirs, weights = word_list(blend_source_words), word_list(blend_target_words), weights_of(word_weights)
    look_up((source.tokens, ours), (target.tokens, (*theirs, *weights)))
    blends = bool(ours or theirs)
    if mode == "blend only" and not blends and mask is None:
        raise ValueError(
            "The mode 'blend only' needs a word or a mask. Fill in 'blend_source_words' or 'blend_target_words', or connect 'mask'."
        )
    return AttentionPlan(
        source,
        target,
        MODES[mode],
        mode != "blend only",
        ordered(cross_start, cross_end, "cross_"),
        ordered(self_start, self_end, "self_"),
        weights,
        BlendWords(ours, theirs, (blend_start, 1.0), blend_threshold) if blends else None,
        painted(mask),
    )
