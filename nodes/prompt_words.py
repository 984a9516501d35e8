"""The words of a prompt as a CLIP of ComfyUI cuts it, and the words that people write into widgets."""

import re
from typing import Any

from ..inversion_core.attention.tokens import PromptTokens, words_of_pieces


def prompt_tokens(clip: Any, text: str) -> PromptTokens:
    """The words and their key columns. Raises ValueError if there is no CLIP, or of a kind whose tokens are unknown."""
    if clip is None:
        raise ValueError("There is no text encoder: the checkpoint holds none. Load one, and connect it here.")
    tokens = clip.tokenize(text, return_word_ids=True)
    names = [name for name in ("l", "g", "h") if name in tokens] or list(tokens)[:1]
    tokenizer = getattr(clip.tokenizer, f"clip_{names[0]}", None) if names else None
    if tokenizer is None or not hasattr(tokenizer, "inv_vocab"):
        raise ValueError(
            f"Attention Edit reads CLIP's words (Stable Diffusion 1, 2 and XL); this text encoder gives {', '.join(tokens)}."
        )
    chunks, pieces = tokens[names[0]], {}
    for number, chunk in enumerate(chunks):
        for position, (token, _, word) in enumerate(chunk):
            if word:  # 0 marks the start, the end and the padding
                named = tokenizer.inv_vocab[token] if isinstance(token, int) else "<embedding></w>"
                pieces[number * len(chunk) + position] = named
    return words_of_pieces(pieces, sum(len(chunk) for chunk in chunks))


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
        if not colon or not word.strip():
            raise ValueError(f"Write a word, a colon and its weight on each line, as in 'smiling: 2.5'; got '{line}'.")
    return weights
