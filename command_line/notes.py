"""What people are told beside the result, in the words of the command line."""

import sys
from collections.abc import Iterable

from ..api.request import EQUAL
from ..inversion_core.prompts.reading import remark
from ..inversion_core.prompts.tokens import PromptTokens
from .parser import as_options


def note(line: str) -> None:
    """Says on stderr what a person should know."""
    print(f"note: {as_options(line)}", file=sys.stderr)


def note_equal(source: str, target: str) -> None:
    """Notes that two descriptions are the same."""
    if source == target:
        note(EQUAL)


def tell(tokens: PromptTokens, words: Iterable[str]) -> None:
    """Notes what there is to know about words of a prompt. Raises ValueError if one is absent."""
    for said in dict.fromkeys(remark(tokens, word) for word in words):
        if said:
            note(said)
