"""Which key columns are which word, and which word of one prompt answers to which of another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float32
from torch import Tensor

from .script import folded
from .words import PromptTokens, Word, joined, words_of_pieces

__all__ = ["Alignment", "PromptTokens", "Word", "joined", "refine", "replace", "words_of_pieces"]


@dataclass(frozen=True)
class Alignment:
    """How the columns of a target prompt draw on those of a source prompt.

    `matrix[s, t]` is the share of source column s's attention that target column t takes over; `taken[t]` is 1 where
    target column t takes its attention from the source and 0 where it keeps its own.
    """

    source: PromptTokens
    target: PromptTokens
    matrix: Float32[Tensor, "source target"]
    taken: Float32[Tensor, " target"]


def refine(source: PromptTokens, target: PromptTokens) -> Alignment:
    """Words that both prompts share take the source's attention, new words keep their own (arXiv:2208.01626, eq. 6)."""
    return _fill(source, target, _matches(source, target))


def replace(source: PromptTokens, target: PromptTokens) -> Alignment:
    """As `refine`, and words that stand in another's place take over its attention (arXiv:2208.01626, sec. 3.2).

    A word of other length in tokens shares it evenly over its tokens; every source column's attention is given out once.
    """
    matches = _matches(source, target)
    return _fill(source, target, [*matches, *_swaps(source, target, matches)])


def _matches(source: PromptTokens, target: PromptTokens) -> list[tuple[range, range]]:
    """Pairs of equal words: Needleman-Wunsch over words with match 1, mismatch -1 and gap 0, as index ranges."""
    a, b = ([folded(word.text) for word in tokens.words] for tokens in (source, target))
    score = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            diagonal = score[i + 1][j + 1] + (1 if a[i] == b[j] else -1)
            score[i][j] = max(diagonal, score[i + 1][j], score[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        if a[i] == b[j] and score[i][j] == score[i + 1][j + 1] + 1:
            pairs.append((range(i, i + 1), range(j, j + 1)))
            i, j = i + 1, j + 1
        elif score[i][j] == score[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _swaps(
    source: PromptTokens, target: PromptTokens, matches: Sequence[tuple[range, range]]
) -> list[tuple[range, range]]:
    """The runs of unequal words between matches, word by word where they are as many, else run to run."""
    edges = [(range(0), range(0)), *matches, (range(len(source.words), 0), range(len(target.words), 0))]
    swaps = []
    for (a, b), (c, d) in pairwise(edges):
        gone, come = range(a.stop, c.start), range(b.stop, d.start)
        if len(gone) == len(come):
            swaps += [(range(i, i + 1), range(j, j + 1)) for i, j in zip(gone, come, strict=True)]
        elif gone and come:
            swaps.append((gone, come))
    return swaps


def _fill(source: PromptTokens, target: PromptTokens, pairs: Sequence[tuple[range, range]]) -> Alignment:
    matrix = torch.zeros(source.length, target.length)
    for ours, theirs in zip(_encoders(source), _encoders(target), strict=True):
        for gone, come in pairs:
            rows = [c for i in gone for c in source.words[i].columns if c in ours]
            columns = [c for j in come for c in target.words[j].columns if c in theirs]
            if len(rows) == len(columns):
                matrix[rows, columns] = 1
            elif rows and columns:
                matrix[torch.tensor(rows)[:, None], columns] = 1 / len(columns)
        _fill_specials(matrix, _ends(source, ours), _ends(target, theirs))
    return Alignment(source, target, matrix, (matrix.sum(0) > 0).float())


def _fill_specials(matrix: Tensor, source: tuple[range, range], target: tuple[range, range]) -> None:
    """The start token answers to the start token, the end and padding to the end and padding, each counted from its prompt's end."""
    (head_s, tail_s), (head_t, tail_t) = source, target
    for s, t in zip(head_s, head_t, strict=False):
        matrix[s, t] = 1
    for number, s in enumerate(tail_s):
        if tail_t:
            matrix[s, min(tail_t.start + number, tail_t.stop - 1)] = 1


def _encoders(tokens: PromptTokens) -> list[range]:
    return [range(*ends) for ends in pairwise([*tokens.starts, tokens.length])]


def _ends(tokens: PromptTokens, encoder: range) -> tuple[range, range]:
    columns = [c for word in tokens.words for c in word.columns if c in encoder]
    if not columns:
        first = min(encoder.start + 1, encoder.stop)
        return range(encoder.start, first), range(first, encoder.stop)
    return range(encoder.start, min(columns)), range(max(columns) + 1, encoder.stop)
