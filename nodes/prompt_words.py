"""The words of a prompt as a text encoder of ComfyUI cuts it, and the words that people write into widgets."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..inversion_core.attention.tokens import PromptTokens, joined, words_of_pieces

Chunks = Mapping[str, Sequence[Sequence[tuple[Any, float, int]]]]
"""What ComfyUI's tokenizers give, by their names: chunks of `(token, weight, word)`; word 0 is start, end or padding."""
QWEN_START, QWEN_END, QWEN_USER = 151644, 151645, (872, 198)
"""Qwen's tokens around each speaker's text, and those that name the user: the template that ComfyUI cuts off before it."""


def prompt_tokens(clip: Any, text: str) -> PromptTokens:
    """The words and their key columns. Raises ValueError if there is no text encoder, or of a kind whose order is unknown."""
    check_clip(clip)
    tokens = clip.tokenize(text, return_word_ids=True)
    read = READERS.get(frozenset(tokens))
    if read is None or any(_tokenizer(clip, name) is None for name in tokens):
        raise ValueError(
            "Attention Edit reads the words of Stable Diffusion 1, 2, XL and 3, Flux, Qwen-Image and Wan; this text encoder "
            f"gives {', '.join(tokens)}."
        )
    return read(clip, tokens)


def check_clip(clip: Any, name: str = "clip") -> None:
    """Raises ValueError if there is no text encoder."""
    if clip is None:
        raise ValueError(f"There is no text encoder: the checkpoint holds none. Load one, and connect it at '{name}'.")


def _tokenizer(clip: Any, name: str) -> Any:
    """ComfyUI's tokenizer of that name; None if it tells no vocabulary."""
    found = getattr(clip.tokenizer, f"clip_{name}", None) or getattr(clip.tokenizer, name, None)
    return found if hasattr(found, "inv_vocab") else None


def _pieces(clip: Any, tokens: Chunks, name: str) -> tuple[dict[int, str], int]:
    """The vocabulary's pieces at their columns, and the number of columns."""
    vocabulary, chunks, pieces = _tokenizer(clip, name).inv_vocab, tokens[name], {}
    for number, chunk in enumerate(chunks):
        for position, (token, _, word) in enumerate(chunk):
            if word:
                named = vocabulary[token] if isinstance(token, int) else "<embedding></w>"
                pieces[number * len(chunk) + position] = named
    return pieces, sum(len(chunk) for chunk in chunks)


def _first(clip: Any, tokens: Chunks) -> PromptTokens:
    """CLIP's, which cut a text alike: Stable Diffusion 1, 2 and XL."""
    return words_of_pieces(*_pieces(clip, tokens, next(name for name in ("l", "g", "h") if name in tokens)))


def _only(name: str) -> Callable[[Any, Chunks], PromptTokens]:
    """Of several encoders one whose tokens the network attends to."""
    return lambda clip, tokens: words_of_pieces(*_pieces(clip, tokens, name))


def _sd3(clip: Any, tokens: Chunks) -> PromptTokens:
    """Both CLIPs side by side, then T5; those that were not loaded are left out."""
    loaded = [getattr(clip.cond_stage_model, name, None) is not None for name in ("clip_l", "clip_g", "t5xxl")]
    if not loaded[2]:
        return _first(clip, tokens)
    if not any(loaded[:2]):
        return _only("t5xxl")(clip, tokens)
    return joined(_first(clip, tokens), *_pieces(clip, tokens, "t5xxl"))


def _qwen(clip: Any, tokens: Chunks) -> PromptTokens:
    """What the user says, without what the template says before; its end and the next speaker's beginning are of no word."""
    pieces, length = _pieces(clip, tokens, "qwen25_7b")
    ids = [token for token, _, _ in tokens["qwen25_7b"][0]]
    starts = [at for at, token in enumerate(ids) if token == QWEN_START][:2]
    first = starts[-1] if starts else 0
    first += 3 if starts and tuple(ids[first + 1 : first + 3]) == QWEN_USER else 0
    last = ids.index(QWEN_END, first) if QWEN_END in ids[first:] else length
    return words_of_pieces({at - first: pieces[at] for at in range(first, last) if at in pieces}, length - first)


READERS: dict[frozenset[str], Callable[[Any, Chunks], PromptTokens]] = {
    **{frozenset(names): _first for names in (("l",), ("g",), ("h",), ("l", "g"))},
    frozenset(("l", "g", "t5xxl")): _sd3,
    frozenset(("l", "t5xxl")): _only("t5xxl"),
    frozenset(("umt5xxl",)): _only("umt5xxl"),
    frozenset(("qwen25_7b",)): _qwen,
}
"""By the names of the tokenizers: Stable Diffusion 1, 2 and XL; 3; Flux; Wan; Qwen-Image."""


def word_list(text: str) -> tuple[str, ...]:
    """Words or phrases with commas or line breaks between."""
    return tuple(word.strip() for word in re.split(r"[,\n]", text) if word.strip())


def weights_of(text: str) -> dict[str, float]:
    """`word: weight`, one a line. Raises ValueError at a line of another form."""
    weights = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        word, colon, weight = line.rpartition(":")
        try:
            weights[word.strip()] = float(weight)
        except ValueError:
            colon = ""
        if not colon or not word.strip() or not math.isfinite(weights[word.strip()]):
            raise ValueError(
                f"Write a word, a colon and its weight, a number, on each line, as in 'smiling: 2.5'; got '{line}'."
            )
    return weights
