"""Where the text of an attention edit lies in a prompt: alone, or joined with others by ComfyUI's nodes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...inversion_core.backends.comfy.entries import embedding_of
from ...inversion_core.prompts.tokens import PromptTokens, Word
from .prompt_tokens import prompt_tokens

CLOSE = 1e-2
"""How far the same embeddings may lie apart: a model may hold them in 16 bits."""


@dataclass(frozen=True)
class Text:
    """The words of a text, and what its encoder makes of it: a CONDITIONING; None if it is not known."""

    tokens: PromptTokens
    encoded: Any = None

    @property
    def embeddings(self) -> list[Tensor]:
        """As the encoder gave them, one for each of its hooks' schedules."""
        return [one for one, _ in self.encoded or [] if isinstance(one, Tensor)]


def text_of(clip: Any, words: str) -> Text:
    """The text as the node's own encoder reads it. Raises as `prompt_tokens`."""
    return Text(prompt_tokens(clip, words), clip.encode_from_tokens_scheduled(clip.tokenize(words)))


def placed(text: Text, prompt: Sequence[Any], name: str) -> list[PromptTokens]:
    """The text's words in each entry of a prepared prompt: where its embedding lies in the entry's, none if it does not.

    If it lies in none, the entries as long as it are taken for it, averaged with another or encoded elsewhere. Raises
    ValueError if there is none of them either.
    """
    shown = [embedding_of(entry) for entry in prompt]
    lengths = [0 if one is None else one.shape[1] for one in shown]
    places = [None if one is None else _place(text, one) for one in shown]
    if places == [None] * len(places):
        places = [0 if length == text.tokens.length else None for length in lengths]
    if places == [None] * len(places):
        raise ValueError(
            f"The {name} prompt does not contain the text of the attention edit: it has {', '.join(map(str, lengths))} tokens, the "
            f"text {text.tokens.length}. Connect that node's own '{name}' output, or write the same text in both, with the model's "
            "own text encoder."
        )
    return [_within(text.tokens, place, length) for place, length in zip(places, lengths, strict=True)]


def _place(text: Text, shown: Tensor) -> int | None:
    """The first column of the text in an embedding that is shown to the network."""
    row = shown[0].float().cpu()
    for own in (one[0].float().cpu() for one in text.embeddings if one.shape[-1] == row.shape[-1]):
        for place in range(len(row) - len(own) + 1):
            if torch.allclose(row[place : place + len(own)], own, rtol=CLOSE, atol=CLOSE):
                return place
    return None


def _within(tokens: PromptTokens, place: int | None, length: int) -> PromptTokens:
    """The words in a longer text that begins `place` columns before them; what lies around them are sections of their own."""
    if place is None:
        return PromptTokens((), length)
    if length == tokens.length:
        return tokens
    words = tuple(Word(word.text, tuple(place + column for column in word.columns)) for word in tokens.words)
    starts = (0, *(place + start for start in tokens.starts), place + tokens.length)
    pieces = tuple(replace(piece, column=place + piece.column) for piece in tokens.pieces)
    return PromptTokens(words, length, starts, tokens.text, pieces)
