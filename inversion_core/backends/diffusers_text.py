"""From words to prompts: what the pipelines of diffusers make of their text encoders, and which key columns are which word."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..attention.tokens import PromptTokens, Word, words_of_pieces
from .diffusers_network import Prompt

SD3_T5_LENGTH, FLUX_T5_LENGTH = 256, 512
"""The T5 tokens of a prompt, as diffusers' pipelines have them."""


@dataclass(frozen=True)
class TextEncoder:
    """A tokenizer and its CLIP or T5 text model; `most` is a limit to the tokens that the model does not set itself.

    A `cut` encoder drops what does not fit, where another one reads the whole text.
    """

    tokenizer: Any
    model: Any
    most: int | None = None
    cut: bool = False

    @property
    def length(self) -> int:
        """The tokens of a prompt, start, end and padding included."""
        places = getattr(self.model.config, "max_position_embeddings", None)
        return int(min(n for n in (self.tokenizer.model_max_length, places, self.most) if n is not None))

    def ids(self, text: str) -> Tensor:
        """Token ids [1, length]. Raises ValueError if the prompt does not fit: words are never dropped in silence."""
        used = 0 if self.cut else len(self.tokenizer(text).input_ids)
        if used > self.length:
            raise ValueError(
                f"The prompt has {used} tokens and the text encoder reads {self.length}. Shorten it: '{text[:60]}...'."
            )
        padded = self.tokenizer(
            text, padding="max_length", max_length=self.length, truncation=True, return_tensors="pt"
        )
        return padded.input_ids

    def read(self, text: str) -> Any:
        """What the model makes of the text, all its layers included."""
        return self.model(self.ids(text).to(self.model.device), output_hidden_states=True)

    def pieces(self, text: str) -> dict[int, str]:
        """The vocabulary's pieces of the text at their columns; start, end and padding left out."""
        ids = self.ids(text)[0].tolist()
        start = int(ids[0] == self.tokenizer.bos_token_id)
        end = ids.index(self.tokenizer.eos_token_id, start)
        return dict(enumerate(self.tokenizer.convert_ids_to_tokens(ids[start:end]), start=start))

    def words(self, text: str) -> PromptTokens:
        """The words of a prompt and their key columns."""
        return words_of_pieces(self.pieces(text), self.length)


Words: TypeAlias = Callable[[str], Prompt]
"""A pipeline's way from words to a prompt. Raises ValueError if they are too many."""


def plain_words(encoder: TextEncoder) -> Words:
    """Stable Diffusion 1 and 2: the last layer."""
    return lambda text: Prompt(encoder.read(text).last_hidden_state)


def summarised_words(encoder: TextEncoder) -> Words:
    """The toybox's transformer: the last layer, and its summary."""

    def prompt(text: str) -> Prompt:
        out = encoder.read(text)
        return Prompt(out.last_hidden_state, {"pooled": out.pooler_output})

    return prompt


def sdxl_words(encoders: Sequence[TextEncoder], *, size: float, blank_is_zero: bool) -> Words:
    """SDXL: both encoders' last layers but one side by side, the second's summary, and the picture's size (arXiv:2307.01952)."""

    def prompt(text: str) -> Prompt:
        outs = [encoder.read(text) for encoder in encoders]
        embedding, summary = torch.cat([out.hidden_states[-2] for out in outs], -1), outs[-1].text_embeds
        if not text and blank_is_zero:
            embedding, summary = torch.zeros_like(embedding), torch.zeros_like(summary)
        ids = torch.tensor([[size, size, 0, 0, size, size]])
        return Prompt(embedding, {"text_embeds": summary, "time_ids": ids.to(summary)})

    return prompt


def sd3_words(clips: Sequence[TextEncoder], t5: TextEncoder | None, *, features: int) -> Words:
    """SD3: both CLIPs' last layers but one side by side, filled up with zeros, then T5's tokens (arXiv:2403.03206, app. B.3).

    Without T5 its tokens are zeros.
    """

    def prompt(text: str) -> Prompt:
        outs = [clip.read(text) for clip in clips]
        short = torch.cat([out.hidden_states[-2] for out in outs], -1)
        short = pad(short, (0, features - short.shape[-1]))
        absent = short.new_zeros(1, SD3_T5_LENGTH, features)
        long = absent if t5 is None else t5.read(text).last_hidden_state.to(short)
        return Prompt(torch.cat([short, long], 1), {"pooled": torch.cat([out.text_embeds for out in outs], -1)})

    return prompt


def flux_words(clip: TextEncoder, t5: TextEncoder) -> Words:
    """Flux: T5's tokens, and CLIP's summary."""
    return lambda text: Prompt(t5.read(text).last_hidden_state, {"pooled": clip.read(text).pooler_output})


def joined_words(first: TextEncoder, second: TextEncoder | None, *, more: int) -> Callable[[str], PromptTokens]:
    """The words as `first` splits them, with the columns of both encoders; `more` columns are the second's, behind.

    Raises ValueError if the two spell the text differently: then it is not known which columns are which word.
    """

    def words(text: str) -> PromptTokens:
        found = first.words(text)
        pieces = second.pieces(text) if second is not None else {}
        behind = {column + found.length: piece.strip("▁").casefold() for column, piece in pieces.items()}
        shared = _shared([word.text.casefold() for word in found.words], behind) if second is not None else {}
        joined = (Word(w.text, (*w.columns, *shared.get(n, ()))) for n, w in enumerate(found.words))
        return PromptTokens(tuple(joined), found.length + more)

    return words


def _shared(words: Sequence[str], pieces: Mapping[int, str]) -> dict[int, list[int]]:
    """For each word, by its number, the columns of the pieces that have letters of it."""
    if "".join(words) != "".join(pieces.values()):
        raise ValueError(
            f"The model's text encoders split this prompt differently, '{' '.join(words)}' and "
            f"'{' '.join(pieces.values())}', so its words cannot be told apart. Use plain letters, and fewer of them."
        )
    word_of = [number for number, word in enumerate(words) for _ in word]
    shared: dict[int, list[int]] = {}
    at = 0
    for column, piece in sorted(pieces.items()):
        for number in sorted(set(word_of[at : at + len(piece)])):
            shared.setdefault(number, []).append(column)
        at += len(piece)
    return shared
