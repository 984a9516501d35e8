"""Which key columns are which word, and which word of one prompt answers to which of another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float32
from torch import Tensor


@dataclass(frozen=True)
class Word:
    """A word of a prompt and the key columns of its tokens."""

    text: str
    columns: tuple[int, ...]


@dataclass(frozen=True)
class PromptTokens:
    """The words of a prompt in order, and the number of key columns, specials and padding included."""

    words: tuple[Word, ...]
    length: int

    def columns_of(self, phrase: str) -> tuple[int, ...]:
        """The columns of every occurrence of a word or phrase. Raises ValueError, naming the words there are, if it is absent."""
        wanted = phrase.casefold().split()
        texts = [word.text.casefold() for word in self.words]
        hits = [i for i in range(len(texts)) if wanted and texts[i : i + len(wanted)] == wanted]
        if not hits:
            raise ValueError(f"The prompt has no word '{phrase}'. Its words are: {', '.join(texts) or 'none'}.")
        return tuple(c for i in hits for word in self.words[i : i + len(wanted)] for c in word.columns)


def words_of_pieces(pieces: Mapping[int, str], length: int) -> PromptTokens:
    """Words from the vocabulary pieces at their columns, specials left out.

    CLIP marks the end of a word with `</w>`; SentencePiece and byte-level BPE mark its beginning.
    """
    words: list[tuple[str, list[int]]] = []
    suffix_style = any(piece.endswith("</w>") for piece in pieces.values())
    open_word = False
    for column, piece in sorted(pieces.items()):
        begins = not open_word if suffix_style else piece[:1] in "▁Ġ" or not words
        if begins:
            words.append(("", []))
        text, columns = words[-1]
        words[-1] = (text + piece.removesuffix("</w>").lstrip("▁Ġ"), [*columns, column])
        open_word = not piece.endswith("</w>")
    return PromptTokens(tuple(Word(text, tuple(columns)) for text, columns in words), length)


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
    a, b = ([word.text.casefold() for word in tokens.words] for tokens in (source, target))
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
    for gone, come in pairs:
        rows = [c for i in gone for c in source.words[i].columns]
        columns = [c for j in come for c in target.words[j].columns]
        if len(rows) == len(columns):
            matrix[rows, columns] = 1
        else:
            matrix[torch.tensor(rows)[:, None], columns] = 1 / len(columns)
    _fill_specials(matrix, source, target)
    return Alignment(source, target, matrix, (matrix.sum(0) > 0).float())


def _fill_specials(matrix: Tensor, source: PromptTokens, target: PromptTokens) -> None:
    """The start token answers to the start token, the end and padding to the end and padding, each counted from its prompt's end."""
    head_s, tail_s = _ends(source)
    head_t, tail_t = _ends(target)
    for s, t in zip(head_s, head_t, strict=False):
        matrix[s, t] = 1
    for number, s in enumerate(tail_s):
        if tail_t:
            matrix[s, min(tail_t.start + number, tail_t.stop - 1)] = 1


def _ends(tokens: PromptTokens) -> tuple[range, range]:
    columns = [c for word in tokens.words for c in word.columns]
    if not columns:
        return range(min(1, tokens.length)), range(1, tokens.length)
    return range(min(columns)), range(max(columns) + 1, tokens.length)
