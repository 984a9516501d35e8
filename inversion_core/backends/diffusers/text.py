"""From words to prompts: what the pipelines of diffusers make of their text encoders, and which key columns are which word."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad

from ...prompts.tokens import PromptTokens, joined, words_of_pieces
from .network import Prompt

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
                f"The prompt has {used} tokens, but the text encoder reads {self.length}. Shorten '{text[:60]}...'."
            )
        padded = self.tokenizer(
            text, padding="max_length", max_length=self.length, truncation=True, return_tensors="pt"
        )
        return padded.input_ids

    def read(self, text: str) -> Any:
        """What the model makes of the text, all its layers included."""
        return self.model(self.ids(text).to(self.model.device), output_hidden_states=True)

    def pieces(self, text: str) -> dict[int, str | None]:
        """The vocabulary's pieces of the text at their columns, None for what it lacks; start, end and padding left out."""
        ids = self.ids(text)[0].tolist()
        start = int(ids[0] == self.tokenizer.bos_token_id)
        count = len(self.tokenizer(text, add_special_tokens=False).input_ids)
        read = ids[start : min(start + count, self.length - 1)]
        named = zip(read, self.tokenizer.convert_ids_to_tokens(read), strict=True)
        known = [None if token in self.tokenizer.all_special_ids else piece for token, piece in named]
        return dict(enumerate(known, start=start))

    def words(self, text: str) -> PromptTokens:
        """The words of a prompt and their key columns."""
        return words_of_pieces(self.pieces(text), self.length, text)


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
    """The words with the columns of both encoders; `more` columns are the second's, behind.

    Raises ValueError as `joined`. Without a second encoder its columns are of no word.
    """

    def words(text: str) -> PromptTokens:
        found = first.words(text)
        if second is not None:
            return joined(found, second.pieces(text), more)
        return replace(found, length=found.length + more, starts=(*found.starts, found.length))

    return words
