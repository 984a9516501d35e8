"""Which key columns are which word, and which word of one prompt answers to which of another."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from functools import cached_property
from itertools import pairwise

import torch
from jaxtyping import Float32
from torch import Tensor

from .script import Span, folded, kind, occurrences, readable, runs
from .spelling import Piece, Vocabulary, located, text_of


@dataclass(frozen=True)
class Word:
    """A word of a prompt and the key columns of its tokens."""

    text: str
    columns: tuple[int, ...]


@dataclass(frozen=True)
class PromptTokens:
    """The words of a prompt in order, and the number of key columns, specials and padding included.

    Several text encoders may stand behind each other; `starts` are their first columns. `words` are what is aligned: no two
    share a token, and where a script has no spaces each is what lies between the borders of tokens. `text` is the prompt
    and `pieces` say where in it each token lies; without them it is the words, with spaces between.
    """

    words: tuple[Word, ...]
    length: int
    starts: tuple[int, ...] = (0,)
    text: str = ""
    pieces: tuple[Piece, ...] = ()

    def columns_of(self, phrase: str) -> tuple[int, ...]:
        """The columns of every occurrence of a word or phrase.

        Of a script without spaces it is any part of the prompt: where it falls on the borders of tokens, else in the
        nearest tokens around it. Raises ValueError, naming the words there are, if it is absent.
        """
        columns = {piece.column for span in self._found(phrase) for piece in self._tokens(span)}
        return tuple(sorted(columns))

    def around(self, phrase: str) -> str:
        """What the tokens of a phrase stand for, if that is more than the phrase; empty if it is not. Raises as `columns_of`."""
        wider = (self._wider(span) for span in self._found(phrase))
        return next((self._spelt[0][start:end] for start, end in filter(None, wider)), "")

    def knows(self, phrase: str) -> bool:
        """Whether a token spells some of it; what a vocabulary lacks is one unknown token, whatever it says. Raises as `columns_of`."""
        return any(piece.known for span in self._found(phrase) for piece in self._tokens(span))

    @cached_property
    def named(self) -> tuple[str, ...]:
        """The words as people write them, each where it stands: with their hyphens, apostrophes and endings, without punctuation."""
        text, pieces = self._spelt
        spans = runs(text, _crossed(pieces), whole=True)
        return tuple(text[slice(*span)] for span in spans if self._tokens(span) and readable(text[slice(*span)]))

    @cached_property
    def _spelt(self) -> tuple[str, tuple[Piece, ...]]:
        if self.pieces:
            return self.text, self.pieces
        text, pieces = self.text, []
        for word in self.words:
            pieces += [Piece(column, len(text), len(text) + len(word.text)) for column in word.columns]
            text += f"{word.text} "
        return text, tuple(pieces)

    @cached_property
    def _standing(self) -> dict[int, list[Piece]]:
        """The tokens of each character."""
        found: dict[int, list[Piece]] = {}
        for piece in self._spelt[1]:
            for at in range(piece.start, piece.end):
                found.setdefault(at, []).append(piece)
        return found

    def _tokens(self, span: Span) -> set[Piece]:
        return {piece for at in range(*span) for piece in self._standing.get(at, ())}

    def _found(self, phrase: str) -> list[Span]:
        """Every occurrence that is read: of those where tokens end, or else of all."""
        spans = occurrences(self._spelt[0], phrase)
        read = [span for span in spans if self._tokens(span)]
        if spans and not read:
            raise ValueError(f"The text encoder does not read as far as '{phrase}': shorten the prompt.")
        if not read:
            raise ValueError(f"The prompt has no word '{phrase}'. Its words are: {', '.join(self.named) or 'none'}.")
        return [span for span in read if not self._wider(span)] or read

    def _wider(self, span: Span) -> Span | None:
        """What the tokens of a part of the prompt stand for, if they hold more letters than are in it."""
        tokens = self._tokens(span)
        start, end = min(piece.start for piece in tokens), max(piece.end for piece in tokens)
        text = self._spelt[0]
        more = text[start : span[0]] + text[span[1] : end]
        return (start, end) if any(kind(character) == "letter" for character in more) else None


def words_of_pieces(pieces: Vocabulary, length: int, text: str | None = None) -> PromptTokens:
    """The words of a prompt, from the vocabulary's pieces at their columns, specials left out; without `text`, of what they spell.

    Raises ValueError if the pieces spell another text.
    """
    text = text_of(pieces) if text is None else text
    return _read(text, (located(text, pieces),), length, (0,))


def joined(first: PromptTokens, pieces: Vocabulary, length: int) -> PromptTokens:
    """The words of a prompt with the columns of two encoders; the second's, `length` in all, stand behind. Raises as `words_of_pieces`."""
    second = (replaced(piece, column=piece.column + first.length) for piece in located(first.text, pieces))
    return _read(first.text, (first.pieces, tuple(second)), first.length + length, (*first.starts, first.length))


def _read(text: str, encoders: Sequence[tuple[Piece, ...]], length: int, starts: tuple[int, ...]) -> PromptTokens:
    """The words and their columns: a token is of the word with its first letter. What one encoder knows the other's unknown does not join."""
    known = (piece for pieces in encoders for piece in pieces if piece.known)
    spans = runs(text, _crossed(known) | frozenset.intersection(*map(_crossed, encoders)))
    number_at = {at: number for number, span in enumerate(spans) for at in range(*span)}
    columns: list[list[int]] = [[] for _ in spans]
    for piece in (piece for pieces in encoders for piece in pieces):
        letters = (at for at in range(piece.start, piece.end) if kind(text[at]) == "letter")
        columns[number_at[next(letters, piece.start)]].append(piece.column)
    words = (Word(text[slice(*span)], tuple(own)) for span, own in zip(spans, columns, strict=True) if own)
    return PromptTokens(tuple(words), length, starts, text, tuple(piece for pieces in encoders for piece in pieces))


def _crossed(pieces: Iterable[Piece]) -> frozenset[int]:
    """The places of the text over which tokens reach."""
    return frozenset(at for piece in pieces for at in piece.inner)


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
