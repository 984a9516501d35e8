"""Prompts cut into words, and random tensors that are the same on every run."""

from collections.abc import Mapping

import torch

from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normally distributed numbers of a seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tokens(text: str, length: int = 16, pieces: Mapping[str, int] = {}) -> PromptTokens:
    """The words of `text`; `dog*3` is a word of three tokens, and so is a word to which `pieces` gives 3."""
    words, column = [], 1
    for item in text.split():
        word, _, size = item.partition("*")
        count = int(size or pieces.get(word, 1))
        words.append(Word(word, tuple(range(column, column + count))))
        column += count
    return PromptTokens(tuple(words), length)
