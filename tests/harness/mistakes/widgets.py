"""Texts and numbers that no widget of the front end holds."""

from typing import Any

from ..graph import Node
from .bench import HALF, NAN, TERMINAL, Bench, before, late, linked


def scene_edit(bench: Bench, **settings: Any) -> Node:
    """An Attention Edit whose prompts are linked, so that its words are judged as it runs."""
    prompts = {"source_prompt": bench.scene[1], "target_prompt": bench.scene[2]}
    return bench.add("InversionAttentionEdit", **{"clip": bench.clip} | prompts | settings)


TEXTS = [
    before(
        "half of a character among weights",
        lambda b: scene_edit(b, word_weights=f"{HALF}: 2"),
        "'word_weights'",
        "half",
    ),
    before("half of a character in a prompt", lambda b: b.edit(target_prompt=f"a {HALF}"), "'target_prompt'", "half"),
    late(
        "half of a character among linked weights",
        lambda b: scene_edit(b, word_weights=linked(b, f"{HALF}: 2")),
        "'word_weights'",
        "half of a character, '\\ud800'",
    ),
    late(
        "half of a character among linked words of a blend",
        lambda b: scene_edit(b, blend_target_words=linked(b, HALF)),
        "'blend_target_words'",
        "half of a character",
    ),
    late("half of a character among linked words to view", lambda b: b.view(words=linked(b, HALF)), "'words'", "half"),
    late(
        "half of a character among linked methods",
        lambda b: b.add(
            "InversionCompare", model=b.model, vae=b.vae, image=b.scene, **b.words, methods=linked(b, HALF), steps=1
        ),
        "'methods'",
        "half",
    ),
    late("half of a character in a linked prefix", lambda b: b.save(linked(b, HALF)), "'filename_prefix'", "half"),
    late("a terminal's command among words", lambda b: b.view(words=linked(b, TERMINAL)), "\\x1b[2J\\u202e"),
    late("an endless text", lambda b: b.view(words=linked(b, "x" * 1_000_000)), "'words'", "1000000", "20000"),
]

NUMBERS = [
    late("guidance that is no number", lambda b: b.sample(guidance=NAN), "'guidance'", "1.0 to 30.0", "nan"),
    late(
        "a level that is no number",
        lambda b: b.add(
            "InversionEditMask", model=b.model, trajectory=b.inverted, source=b.source, target=b.target, level=NAN
        ),
        "'level'",
        "nan",
    ),
    late("a share that is no number", lambda b: b.view(threshold=NAN), "'threshold'", "0.0 to 1.0"),
    late(
        "a budget that is no number",
        lambda b: b.add("InversionAttentionMemory", attention_edit=b.attention, budget_gb=NAN),
        "'budget_gb'",
        "nan",
    ),
    late(
        "guidance out of range through a link",
        lambda b: b.sample(guidance=b.add("PrimitiveFloat", value=1e9)),
        "'guidance'",
        "1.0 to 30.0",
        "1000000000.0",
    ),
]
