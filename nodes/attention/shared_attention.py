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
            description="The edit's self-attention asks the picture's own keys and values: what things look like is kept, "
            "while their form and pose may follow the target prompt.",
            search_aliases=["masactrl", "mutual self-attention", "pose"],
            inputs=[
                fraction(
                    "start", masactrl.START, "Fraction of the steps after which it acts; later leaves more freedom."
                ),
                fraction("end", 1.0, "Fraction of the steps up to which it acts."),
                fraction(
                    "depth",
                    masactrl.DEPTH,
                    "Fraction of the network's self-attention after which it acts. 0.63 was published for SD 1 and SDXL; "
                    "less keeps more of the picture.",
                ),
                io.Mask.Input(
                    "source_mask",
                    optional=True,
                    tooltip="The foreground of the picture, in its size: foreground then asks foreground only, and "
                    "background background.",
                ),
                io.Mask.Input(
                    "target_mask",
                    optional=True,
                    tooltip="The foreground of the edited picture, if it is elsewhere than the source mask's.",
                ),
                io.Clip.Input("clip", optional=True, tooltip="The text encoder; for foregrounds by words."),
                io.String.Input(
                    "source_prompt", default="", optional=True, tooltip="The source prompt; for foregrounds by words."
                ),
                io.String.Input(
                    "target_prompt", default="", optional=True, tooltip="The target prompt; for foregrounds by words."
                ),
                io.String.Input(
                    "source_words",
                    default="",
                    optional=True,
                    tooltip="Instead of masks: words of the source prompt, with commas between, that name the foreground.",
                ),
                io.String.Input(
                    "target_words", default="", optional=True, tooltip="Words of the target prompt, likewise."
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
        raise ValueError("Foregrounds by words need words of both prompts: the source's and the target's.")
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
            description="The edit attends to the picture's own keys and values, or values alone, in the blocks of the "
            "network that matter: the most of the picture is kept for the least lost of the edit.",
            search_aliases=["rf-edit", "stable flow", "layerverse", "kv injection", "value injection"],
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=[AUTO, *PRESETS, BY_DEPTH],
                    default=AUTO,
                    tooltip="auto: what was published for a network of as many blocks as this model's; for others the later "
                    f"half of the blocks. {ABOUT} by depth: as set below.",
                ),
                io.Combo.Input(
                    "inject", options=list(INJECTIONS), default="values", tooltip="What is taken, for 'by depth'."
                ),
                fraction("depth_start", LATE, "Fraction of the network's blocks after which it acts, for 'by depth'."),
                fraction("depth_end", 1.0, "Fraction of the network's blocks up to which it acts, for 'by depth'."),
                fraction("start", 0.0, "Fraction of the steps after which it acts, for 'by depth'."),
                fraction("end", 0.3, "Fraction of the steps up to which it acts, for 'by depth'."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="The region to edit, in the picture's size: it keeps its own keys and values. The rest may still "
                    "change a little; a mask at the sampler keeps it exactly.",
                ),
                another_edit(),
            ],
            outputs=[all_edits()],
        )

    @classmethod
    def execute(cls, preset, inject, mask=None, attention_edit=None, **spans) -> io.NodeOutput:
        depth, steps = (ordered(spans[f"{name}start"], spans[f"{name}end"], name) for name in ("depth_", ""))
        return io.NodeOutput(outside(attention_edit, KVInjection(preset, inject, depth, steps, painted(mask))))
