"""Which key columns of a prompt are which word."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from .script import Span, kind, occurrences, readable, runs
from .spelling import Piece, Vocabulary, located, text_of


@dataclass(frozen=True)
class Word:
    """A word of a prompt and the key columns of its tokens."""

    text: str
    columns: tuple[int, ...]


@dataclass(frozen=True)
class PromptTokens:
    """The words of a prompt in order, and the number of key columns, specials and padding included.

    Several text encoders, or texts, may stand behind each other; `starts` are their first columns. `words` are what is aligned: no two
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
            raise ValueError(f"The text encoder does not read as far as '{phrase}'. Shorten the prompt.")
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
    second = (replace(piece, column=piece.column + first.length) for piece in located(first.text, pieces))
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
