"""Which key columns are which word, and which word of one prompt answers to which of another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import torch
from jaxtyping import Float32
from torch import Tensor

from .script import folded
from .words import PromptTokens, Word, joined, words_of_pieces

__all__ = ["Alignment", "PromptTokens", "Word", "align_refine", "align_replace", "joined", "words_of_pieces"]

Parts: TypeAlias = PromptTokens | Sequence[PromptTokens]
"""The words of a prompt: of each of its parts in order (`Site.part`), or of all of them alike."""


def parts_of(tokens: Parts) -> Sequence[PromptTokens]:
    """The words of each part."""
    return [tokens] if isinstance(tokens, PromptTokens) else tokens


def columns_in(tokens: Parts, phrase: str) -> list[tuple[int, ...]]:
    """The columns of a word or phrase in each part, none where it is absent. Raises as `columns_of` if it is in no part."""
    parts, found = parts_of(tokens), []
    for part in parts:
        try:
            found.append(part.columns_of(phrase))
        except ValueError:
            found.append(())
    return found if any(found) else [part.columns_of(phrase) for part in parts]


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


def align_refine(source: PromptTokens, target: PromptTokens) -> Alignment:
    """Words that both prompts share take the source's attention, new words keep their own (arXiv:2208.01626, eq. 6)."""
    return _fill(source, target, _matches(source, target))


def align_replace(source: PromptTokens, target: PromptTokens) -> Alignment:
    """As `align_refine`, and words that stand in another's place take over its attention (arXiv:2208.01626, sec. 3.2).

    A word of other length in tokens shares it evenly over its tokens. Unlike the published code, which refuses prompts of
    other lengths in words, it aligns the words behind such a one with their own.
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
    sections = _sections(source), _sections(target)
    if len(sections[0]) != len(sections[1]):
        sections = [range(source.length)], [range(target.length)]
    for ours, theirs in zip(*sections, strict=True):
        for gone, come in pairs:
            rows = [c for i in gone for c in source.words[i].columns if c in ours]
            columns = [c for j in come for c in target.words[j].columns if c in theirs]
            if len(rows) == len(columns):
                matrix[rows, columns] = 1
            elif rows and columns:
                matrix[torch.tensor(rows)[:, None], columns] = 1 / len(columns)
        for s, t in _wordless(source, ours, target, theirs):
            matrix[s, t] = 1
    return Alignment(source, target, matrix, (matrix.sum(0) > 0).float())


def _wordless(source: PromptTokens, ours: range, target: PromptTokens, theirs: range) -> Iterator[tuple[int, int]]:
    """The source's column for each of the target's, in a section of both, that is of no word.

    The token that ends the words answers to the one that ends the source's, and any other column to the source's of the
    same number, as in the published code (`seq_aligner.get_mapper`): behind the words also to a word's, before and among
    them only to what is no word. Where as many columns follow the words in both, the last answers to the last: prompts
    that nothing fills up to one length end with their template.
    """
    words = [
        [c - part.start for w in p.words for c in w.columns if c in part]
        for p, part in ((source, ours), (target, theirs))
    ]
    first = min((c for columns in words for c in columns), default=0)
    end, theirs_end = (max(columns, default=first - 1) + 1 for columns in words)
    alike = len(ours) - end == len(theirs) - theirs_end
    for t in range(len(theirs)):
        s = t
        if t == theirs_end or (t > theirs_end and alike):
            s = end + t - theirs_end
        elif t < theirs_end and (t in words[1] or t in words[0]):
            continue
        if s < len(ours):
            yield ours.start + s, theirs.start + t


def _sections(tokens: PromptTokens) -> list[range]:
    return [range(*ends) for ends in pairwise([*tokens.starts, tokens.length])]
