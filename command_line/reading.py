"""What a text encoder makes of a word, told to people."""

from collections.abc import Iterable

from ..inversion_core.prompts.reading import remark
from ..inversion_core.prompts.tokens import PromptTokens


def tell(tokens: PromptTokens, words: Iterable[str]) -> None:
    """Prints what there is to know about words of a prompt. Raises ValueError if one is absent."""
    for said in dict.fromkeys(remark(tokens, word) for word in words):
        if said:
            print(f"note            {said}")
