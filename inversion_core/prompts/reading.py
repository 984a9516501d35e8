"""What a text encoder makes of a word, as people are told of it."""

from .tokens import PromptTokens

AROUND = "'{word}' is read together with its neighbours, as '{text}'"
UNKNOWN = "the text encoder does not know '{word}' and reads one symbol for every unknown word"


def remark(tokens: PromptTokens, word: str, around: str = AROUND, unknown: str = UNKNOWN) -> str:
    """What to know about a word of a prompt; empty where it is read as it is written. Raises ValueError if it is absent."""
    if not tokens.knows(word):
        return unknown.format(word=word)
    wider = tokens.around(word)
    return around.format(word=word, text=wider) if wider else ""


def label(tokens: PromptTokens, word: str) -> str:
    """The word, and in brackets what is read together with it."""
    wider = tokens.around(word)
    return f"{word} ({wider})" if wider else word
