"""MasaCtrl and injection of keys and values: the picture's own in the edit's attention."""

from typing import Any

from comfy_api.latest import io

from ...inversion_core.techniques import masactrl
from ...inversion_core.techniques.presets import LATE, PRESETS
from ..kit.checks import NOT_CONNECTED, mistaken_foreground, ordered, painted
from ..kit.common import fraction, schema
from ..kit.prompt_text import word_list
from ..run.prompt_places import text_of
from ..run.prompt_tokens import look_up
from ..sockets import all_edits, another_edit
from .share_plans import INJECTIONS, KVInjection, MutualAttention, Words, outside

AUTO, BY_DEPTH = "auto", "by depth"
ABOUT = " ".join(f"{name}: {preset.source.rstrip('.')}." for name, preset in PRESETS.items())


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
                fraction(
                    "start",
                    masactrl.START,
                    "Start attending to the original after this fraction of the steps. Higher leaves more freedom.",
                ),
                fraction("end", 1.0, "Stop attending to the original after this fraction of the steps."),
                fraction(
                    "depth",
                    masactrl.DEPTH,
                    "Start attending to the original after this fraction of the self-attention layers. The published value is 0.63 "
                    "for SD 1 and SDXL. Lower keeps more of the image.",
                ),
                io.Mask.Input(
                    "source_mask",
                    optional=True,
                    tooltip="Foreground of the original image, at the size of the image. Foreground attends only to foreground, "
                    "background only to background.",
                ),
                io.Mask.Input(
                    "target_mask",
                    optional=True,
                    tooltip="Foreground of the edited image, if elsewhere than in the source mask.",
                ),
                io.Clip.Input("clip", optional=True, tooltip="Text encoder, for foregrounds given by words."),
                io.String.Input(
                    "source_prompt", default="", optional=True, tooltip="Source prompt, for foregrounds given by words."
                ),
                io.String.Input(
                    "target_prompt", default="", optional=True, tooltip="Target prompt, for foregrounds given by words."
                ),
                io.String.Input(
                    "source_words",
                    default="",
                    optional=True,
                    tooltip="Comma-separated words of the source prompt that name the foreground, instead of masks.",
                ),
                io.String.Input(
                    "target_words",
                    default="",
                    optional=True,
                    tooltip="Comma-separated words of the target prompt that name the foreground, instead of masks.",
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
        connected = [one is not NOT_CONNECTED for one in (clip, source_mask, target_mask)]
        return mistaken_foreground(*connected, source_prompt, target_prompt, source_words, target_words) or True

    @classmethod
    def execute(
        cls, start, end, depth, source_mask=None, target_mask=None, attention_edit=None, **words
    ) -> io.NodeOutput:
        source, target = painted(source_mask, "source_mask"), painted(target_mask, "target_mask")
        plan = MutualAttention(ordered(start, end), depth, source, target, words_of(**words))
        return io.NodeOutput(outside(attention_edit, plan))


def words_of(
    clip: Any = None,
    source_prompt: str = "",
    target_prompt: str = "",
    source_words: str = "",
    target_words: str = "",
) -> Words | None:
    """The words that name the foreground, if any. Raises ValueError if one is not in its prompt, or a side has none."""
    named = word_list(source_words), word_list(target_words)
    if not any(named):
        return None
    if not all(named):
        raise ValueError("Foregrounds by words need words of both prompts. Fill in both.")
    texts = [text_of(clip, text) for text in (source_prompt, target_prompt)]
    look_up(*((text.tokens, words) for text, words in zip(texts, named, strict=True)))
    return Words(*texts, *named)


class InversionKVInjection(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionKVInjection",
            display_name="KV Injection",
            category="inversion/edit",
            description="Makes the edit attend to the keys and values of the original image, or take only the values, in the blocks "
            "that matter most: keeps much of the image and loses little of the edit.",
            search_aliases=["rf-edit", "stable flow", "layerverse", "kv injection", "value injection"],
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=[AUTO, *PRESETS, BY_DEPTH],
                    default=AUTO,
                    tooltip="auto: what was published for a network with as many blocks as this model; for other networks, the "
                    f"later half of the blocks. {ABOUT} by depth: uses the settings below.",
                ),
                io.Combo.Input(
                    "inject", options=list(INJECTIONS), default="values", tooltip="'by depth': what to inject."
                ),
                fraction("depth_start", LATE, "'by depth': start injecting after this fraction of the blocks."),
                fraction("depth_end", 1.0, "'by depth': stop injecting after this fraction of the blocks."),
                fraction("start", 0.0, "'by depth': start injecting after this fraction of the steps."),
                fraction("end", 0.3, "'by depth': stop injecting after this fraction of the steps. Higher keeps more."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Region to edit, at the size of the image. The region keeps its own keys and values. Everything else "
                    "may still change a little; a mask at the sampler keeps everything else exactly.",
                ),
                another_edit(),
            ],
            outputs=[all_edits()],
        )

    @classmethod
    def execute(cls, preset, inject, mask=None, attention_edit=None, **spans) -> io.NodeOutput:
        depth, steps = (ordered(spans[f"{name}start"], spans[f"{name}end"], name) for name in ("depth_", ""))
        return io.NodeOutput(outside(attention_edit, KVInjection(preset, inject, depth, steps, painted(mask))))
