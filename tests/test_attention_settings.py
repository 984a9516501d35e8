"""A person's settings of attention edits: the order in which they act, and the dial."""

from itertools import permutations

import pytest
import torch

from latent_inversion.inversion_core.attention.technique import Technique
from latent_inversion.inversion_core.dial import AS_SET, Turned
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word
from latent_inversion.inversion_core.schedules import window
from latent_inversion.inversion_core.techniques.presets import PRESETS
from latent_inversion.inversion_core.techniques.settings import (
    Ground,
    KVEdit,
    KVInjection,
    MutualAttention,
    PlugAndPlay,
    PromptToPrompt,
    Steps,
    nested,
)

SIGMAS = torch.linspace(10.0, 0.0, 11, dtype=torch.float64)
BLOCKS = tuple(f"double.{number}" for number in range(24))
WORDS = PromptTokens((Word("cat", (1,)),), 3)
MASK = torch.ones(1, 1, 4, 4)
SETTINGS = {
    "KV-Edit": KVEdit(MASK),
    "MasaCtrl": MutualAttention(source_words=["cat"], target_words=["cat"]),
    "values of the source": KVInjection(PRESETS["Stable Flow (SD3)"].on),
    "prompt-to-prompt": PromptToPrompt(),
    "plug-and-play": PlugAndPlay(),
    "style": Technique(),
}


def order(*names: str) -> list[str]:
    """What the techniques of settings given in this order are, the outermost first, each named once."""
    ground = Ground(SIGMAS, AS_SET, BLOCKS, lambda: (WORDS, WORDS), lambda mask: mask)
    found = nested([(SETTINGS[name], ground) for name in names])
    kinds = ["style" if t.inject is None else t.inject.name.split(",")[0] for t in found]
    return list(dict.fromkeys(kind.removeprefix("maps of ").replace("keys and values", "values") for kind in kinds))


@pytest.mark.parametrize("names", [*permutations(["KV-Edit", "MasaCtrl", "prompt-to-prompt", "style"])], ids=" ".join)
def test_what_brings_keys_and_values_lies_outside_of_what_splits_them_and_kv_edit_of_all(names):
    others = [name for name in names if name in ("prompt-to-prompt", "style")]
    assert order(*names) == ["KV-Edit", "MasaCtrl", *others]


def test_of_two_that_bring_keys_and_values_the_later_lies_outside():
    assert order("MasaCtrl", "plug-and-play", "values of the source") == [
        "values of the source",
        "MasaCtrl",
        "plug-and-play",
    ]
    assert order("values of the source", "MasaCtrl") == ["MasaCtrl", "values of the source"]


def test_the_dial_turns_what_is_kept_of_the_source_alone():
    turned, plain = Steps(SIGMAS, Turned(start=0.5, windows=0.0)), Steps(SIGMAS, AS_SET)
    assert turned.window((0.0, 1.0)) == window(SIGMAS, 0.0, 1.0)
    assert turned.keeps_none((0.0, 0.6)) and not plain.keeps_none((0.0, 0.6))
    assert plain.kept((0.2, 0.6)) == window(SIGMAS, 0.2, 0.6) and plain.keeps_none((0.3, 0.3))
