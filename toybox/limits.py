"""What the toybox cannot do, each in a sentence that says what it can: words, sizes and images from outside its world."""

from collections.abc import Sequence
from functools import cache

from ..inversion_core.prompts.script import folded, kind, words_of
from ..inversion_core.wording import plain
from .world import ATTRIBUTES, world_words
from .world.captions import SYNONYMS

COMMAND_LINE, NODES = "--model FOLDER on the command line", "the templates for your own photo"
"""Where a real model is to be had."""
SMALL = ("a", "and", "at", "in", "no", "of", "on", "the", "with", "without")
MOST = 6
"""The most unknown words that are named."""


def about_words(text: str, real: str) -> str:
    """The sentence about words that the toybox does not know; empty if it knows all. `real` is where a real model is to be had."""
    unknown = list(dict.fromkeys(word for word in words_of(text) if not _known(word)))
    if not unknown:
        return ""
    named = ", ".join(f"'{plain(word, 40)}'" for word in unknown[:MOST])
    more = f" and {len(unknown) - MOST} more" if unknown[MOST:] else ""
    return (
        f"The toybox does not know the word{'s' if unknown[1:] else ''} {named}{more}. It knows: {', '.join(_names())}, and small "
        f"words like {', '.join(SMALL)}. For other words, use a real model: {real}."
    )


def _names() -> Sequence[str]:
    """The words that name what a scene shows."""
    values = [value for values in ATTRIBUTES.values() for value in values if value != "none"]
    return tuple(dict.fromkeys([*values, "fur", "shirt", *SYNONYMS.values()]))


def _known(word: str) -> bool:
    """Whether every part of a word with letters is in the vocabulary."""
    parts = folded(word).replace("'", "-").split("-")
    return all(part in _vocabulary() for part in parts if any(kind(letter) == "letter" for letter in part))


@cache
def _vocabulary() -> frozenset[str]:
    return frozenset(world_words())
