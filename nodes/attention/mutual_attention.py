"""MasaCtrl: the edit attends to the picture's own keys and values."""

from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...inversion_core.techniques import masactrl
from ...inversion_core.techniques.settings import MutualAttention
from ..kit.checks import NOT_CONNECTED, check_foreground, check_words, require_painted, span
from ..kit.inputs import all_edits, another_edit
from ..kit.prompt_text import word_list
from ..kit.schema import fraction, schema, socket, text_input
from ..run.prompt_places import Text, text_of
from ..run.prompt_tokens import look_up
from .attention_edits import SettingPlan, add_edit


class InversionMutualAttention(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionMutualAttention",
            display_name="MasaCtrl",
            category="inversion/edit",
            description="Makes the self-attention of the edit attend to the keys and values of the original image: appearance is "
            "kept, while shape and pose may follow the target prompt.",
            search_aliases=["masactrl", "mutual self-attention", "pose"],
            inputs=[
                fraction("start", masactrl.START).about(
                    "Start attending to the original after this fraction of the steps. Higher leaves more freedom."
                ),
                fraction("end", 1.0).about("Stop attending to the original after this fraction of the steps."),
                fraction("depth", masactrl.DEPTH).about(
                    "Start attending to the original after this fraction of the self-attention layers. The published value is 0.63 "
                    "for SD 1 and SDXL. Lower keeps more of the image."
                ),
                socket(io.Mask, "source_mask", optional=True).about(
                    "Foreground of the original image, at the size of the image. Foreground attends only to foreground, "
                    "background only to background."
                ),
                socket(io.Mask, "target_mask", optional=True).about(
                    "Foreground of the edited image, if elsewhere than in the source mask."
                ),
                socket(io.Clip, "clip", optional=True).about("Text encoder, for foregrounds given by words."),
                text_input("source_prompt", optional=True).about("Source prompt, for foregrounds given by words."),
                text_input("target_prompt", optional=True).about("Target prompt, for foregrounds given by words."),
                text_input("source_words", optional=True).about(
                    "Comma-separated words of the source prompt that name the foreground, instead of masks."
                ),
                text_input("target_words", optional=True).about(
                    "Comma-separated words of the target prompt that name the foreground, instead of masks."
                ),
                another_edit(),
            ],
            outputs=[all_edits()],
        )

    @classmethod
    def validate_inputs(
        cls,
        source_prompt="",
        target_prompt="",
        source_words="",
        target_words="",
        clip=NOT_CONNECTED,
        source_mask=NOT_CONNECTED,
        target_mask=NOT_CONNECTED,
    ) -> bool | str:
        masks = (mask is not NOT_CONNECTED for mask in (source_mask, target_mask))
        check_foreground(*masks, source_words, target_words, clip=clip is not NOT_CONNECTED)
        if source_words or target_words:
            check_words(source_prompt, target_prompt, source_words, target_words)
        return True

    @classmethod
    def execute(
        cls, start, end, depth, source_mask=None, target_mask=None, attention_edit=None, **foreground
    ) -> io.NodeOutput:
        masks = require_painted(source_mask, "source_mask"), require_painted(target_mask, "target_mask")
        texts, words = foreground_words(masks, **foreground)
        plan = SettingPlan(MutualAttention(span(start, end), depth, *masks, *words), texts)
        return io.NodeOutput(add_edit(attention_edit, plan))


def foreground_words(
    masks: Sequence[Tensor | None],
    clip: Any = None,
    source_prompt: str = "",
    target_prompt: str = "",
    source_words: str = "",
    target_words: str = "",
) -> tuple[tuple[Text, Text] | None, tuple[tuple[str, ...], tuple[str, ...]]]:
    """The words that name the foreground, and the texts that they are of. Raises ValueError if one is not in its prompt, or if there are `masks` too."""
    check_foreground(*(mask is not None for mask in masks), source_words, target_words)
    words = word_list(source_words), word_list(target_words)
    if not any(words):
        return None, words
    texts = text_of(clip, source_prompt), text_of(clip, target_prompt)
    look_up((texts[0].tokens, words[0]), (texts[1].tokens, words[1]))
    return texts, words
