"""Attention Edit: what a changed prompt may change, as a value for the edit sampler."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...inversion_core.prompts.tokens import align_refine, align_replace
from ...inversion_core.techniques.local_blend import START, THRESHOLD
from ...inversion_core.techniques.prompt_to_prompt import CROSS_END, SELF_END, WEIGHTED_CROSS_END
from ...inversion_core.techniques.settings import LocalBlend, PromptToPrompt, Setting, Steps
from ..kit.checks import check_words, require_painted, span
from ..kit.inputs import all_edits, another_edit
from ..kit.prompt_text import weights_of, word_list
from ..kit.schema import advanced, choice, fraction, output, schema, socket, text_input
from ..run.prompt_places import Text, text_of
from ..run.prompt_tokens import look_up
from ..sockets import LatentTrajectory
from .attention_edits import Plan, Ready, add_edit

BLEND_ONLY = "blend only"
MODES = {"replace": align_replace, "refine": align_refine, BLEND_ONLY: None}
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
            search_aliases=["p2p", "prompt to prompt", "edit photo", "local blend", "cross attention control"],
            inputs=[
                socket(io.Clip, "clip").about("Text encoder of the model."),
                text_input("source_prompt", multiline=True, default=None).about(
                    "Prompt that describes the original image."
                ),
                text_input("target_prompt", multiline=True, default=None).about(
                    "Prompt that describes the edited image. Change only a few words of the source prompt."
                ),
                choice("mode", MODES, default="replace").about(WHAT_MODES_DO),
                advanced(fraction("cross_start", 0.0)).about(
                    "Start controlling cross-attention after this fraction of the steps."
                ),
                fraction("cross_end", CROSS_END).about(
                    "Stop controlling cross-attention after this fraction of the steps. Higher keeps more of the original layout. The "
                    "published value is 0.4."
                ),
                advanced(fraction("self_start", 0.0)).about(
                    "Start taking self-attention from the source after this fraction of the steps."
                ),
                fraction("self_end", SELF_END).about(
                    "Stop taking self-attention from the source after this fraction of the steps. Higher keeps more of the original "
                    "shapes."
                ),
                text_input("word_weights", multiline=True).about(
                    "Strengthens or weakens words of the target prompt, one per line: 'smiling: 2.5'. Weights act while "
                    "cross-attention is controlled."
                ),
                text_input("blend_source_words").about(
                    "Local blend: comma-separated words of the source prompt whose region may change."
                ),
                text_input("blend_target_words").about(
                    "Local blend: comma-separated words of the target prompt whose region may change."
                ),
                advanced(fraction("blend_start", START)).about(
                    "Local blend: keep the rest after this fraction of the steps."
                ),
                advanced(fraction("blend_threshold", THRESHOLD)).about(
                    "Local blend: threshold relative to a word's strongest attention. Lower gives a larger region."
                ),
                socket(io.Mask, "mask", optional=True).about(
                    "Region that may change, at the size of the image, besides the words of local blend."
                ),
                another_edit(),
            ],
            outputs=[
                all_edits(),
                output(io.Conditioning, "source").about("The encoded source prompt."),
                output(io.Conditioning, "target").about("The encoded target prompt."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, source_prompt="", target_prompt="", word_weights="", blend_source_words="", blend_target_words=""
    ) -> bool | str:
        check_words(source_prompt, target_prompt, blend_source_words, blend_target_words, word_weights)
        return True

    @classmethod
    def execute(cls, clip, source_prompt, target_prompt, mask=None, attention_edit=None, **settings) -> io.NodeOutput:
        plan = plan_of(clip, source_prompt, target_prompt, mask, **settings)
        return io.NodeOutput(add_edit(attention_edit, plan), *(text.encoded for text in plan.texts))


NO_STEP = "at this strength the window contains no step"


@dataclass(frozen=True)
class AttentionPlan(Plan):
    """An attention edit before the sigma grid is known; without `control` the words of `blend` only say where the edit may act."""

    texts: tuple[Text, Text]
    control: PromptToPrompt | None = None
    blend: LocalBlend | None = None
    mask: Tensor | None = None

    @property
    def masks(self) -> Sequence[Tensor]:
        return [] if self.mask is None else [self.mask]

    def check(self, model: Any, record: LatentTrajectory) -> None:
        if self.control is not None or self.blend is not None:
            super().check(model, record)

    def idle(self, steps: Steps) -> list[str]:
        if self.control is None or not steps.keeps_none(self.control.cross):
            return []
        if self.control.weights:
            first, last = self.control.cross
            why = (
                f"{NO_STEP} of cross_end"
                if last > first
                else f"cross_end is {last:g}. Set cross_end to {WEIGHTED_CROSS_END:g}"
            )
            return [f"The word weights of Attention Edit do not act: {why}."]
        if steps.keeps_none(self.control.self_attention):
            return [f"Attention Edit takes no attention from the source: {NO_STEP} of cross_end and self_end."]
        return []

    def settings(self, ready: Ready) -> list[Setting]:
        return [setting for setting in (self.control, self.blend) if setting is not None]

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [*self.texts[0].embeddings, *self.texts[1].embeddings, *self.masks]


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
    texts = text_of(clip, source_prompt), text_of(clip, target_prompt)
    words, weights = (word_list(blend_source_words), word_list(blend_target_words)), weights_of(word_weights)
    look_up((texts[0].tokens, words[0]), (texts[1].tokens, (*words[1], *weights)))
    blend = LocalBlend(*words, (blend_start, 1.0), blend_threshold) if any(words) else None
    if mode == BLEND_ONLY and blend is None and mask is None:
        raise ValueError(
            "The mode 'blend only' needs a word or a mask. Fill in 'blend_source_words' or 'blend_target_words', or connect 'mask'."
        )
    spans = span(cross_start, cross_end, "cross_"), span(self_start, self_end, "self_")
    control = None if mode == BLEND_ONLY else PromptToPrompt(MODES[mode], *spans, weights)
    return AttentionPlan(texts, control, blend, require_painted(mask))
