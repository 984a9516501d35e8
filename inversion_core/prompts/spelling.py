"""Where in a prompt the pieces lie that a text encoder's tokenizer cut it into."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch

from .script import Span, folded_character, folded_places, kind

SPACE, END, UNKNOWN = "▁", "</w>", "<unk>"
"""SentencePiece's space and piece for what its vocabulary lacks, and CLIP's end of a word."""
MOST = 2 * 10**7
"""The largest product of two texts' lengths that are compared character by character."""

Vocabulary: TypeAlias = Mapping[int, str | bytes | None]
"""A prompt's pieces at their columns: as the vocabulary writes them, as their bytes, or None where they spell nothing known."""


@dataclass(frozen=True)
class Piece:
    """A key column, and the characters `start` to `end` of the prompt that its token stands for; `known` if the token spells them."""

    column: int
    start: int
    end: int
    known: bool = True

    @property
    def inner(self) -> range:
        """The places over which the token reaches."""
        return range(self.start + 1, self.end)


def byte_letters() -> dict[str, int]:
    """The letters in which byte-level BPE writes bytes: those that can be seen, and from U+0100 on for the others in turn."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {**{chr(byte): byte for byte in seen}, **{chr(0x100 + n): byte for n, byte in enumerate(hidden)}}


LETTERS = byte_letters()


def spelt(pieces: Vocabulary) -> dict[int, bytes | None]:
    """The UTF-8 bytes that pieces stand for; a character's may lie in several. None: unknown."""
    sentences = any(isinstance(piece, str) and SPACE in piece for piece in pieces.values())
    return {column: _bytes(piece, sentences=sentences) for column, piece in sorted(pieces.items())}


def _bytes(piece: str | bytes | None, *, sentences: bool) -> bytes | None:
    if not isinstance(piece, str):
        return piece
    if piece == UNKNOWN:
        return None
    if sentences:
        one_byte = len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")
        return bytes.fromhex(piece[3:5]) if one_byte else piece.replace(SPACE, " ").encode()
    word = piece.removesuffix(END)
    ended = b" " if word != piece else b""
    return b"".join(bytes([LETTERS[c]]) if c in LETTERS else c.encode() for c in word) + ended


def text_of(pieces: Vocabulary) -> str:
    """What pieces spell, for a prompt that is not at hand."""
    return b"".join(piece or b"" for piece in spelt(pieces).values()).decode(errors="replace")


def located(text: str, pieces: Vocabulary) -> tuple[Piece, ...]:
    """The pieces that stand for characters of the text, in order.

    Characters are compared without case, in their decomposed forms, and without spaces; what the tokenizer changed or left
    out lies between. Unknown pieces stand for what lies between their neighbours; a bare space belongs to the piece
    behind it, and a piece without any bytes to the one before. Raises ValueError if letters were changed, or a very long text
    was changed much.
    """
    known = spelt(pieces)
    written = [(c, place) for c, place in folded_places(text) if c != " "]
    read = [(c, columns) for character, columns in _characters(known) for c in folded_character(character) if c != " "]
    same = _common("".join(c for c, _ in written), "".join(c for c, _ in read))
    places: dict[int, list[int]] = {}
    for ours, theirs in same:
        for column in read[theirs][1]:
            places.setdefault(column, []).append(written[ours][1])
    spans = {column: (min(found), max(found) + 1) for column, found in places.items()}
    missed = _letters(written) - {written[ours][1] for ours, _ in same}
    if _letters((c, n) for n, (c, _) in enumerate(read)) - {theirs for _, theirs in same} or any(
        missed & set(range(*s)) for s in spans.values()
    ):
        raise ValueError(
            f"The text encoder reads '{text[:60]}' as '{text_of(pieces)[:60].strip()}', so the words cannot be told apart. Write the "
            "prompt in plain letters."
        )
    _place_unknown(text, known, spans)
    _place_bare(known, spans)
    return tuple(Piece(column, *spans[column], column in places) for column in known if column in spans)


def _letters(characters: Iterable[tuple[str, int]]) -> set[int]:
    """The places of those characters that are letters."""
    return {place for character, place in characters if kind(character) == "letter"}


def _characters(pieces: Mapping[int, bytes | None]) -> Iterator[tuple[str, range]]:
    """The characters that the known pieces spell, each with the columns that hold it; what is no UTF-8 comes as a surrogate."""
    columns = [column for column, piece in pieces.items() for _ in piece or b""]
    at = 0
    for character in b"".join(piece or b"" for piece in pieces.values()).decode(errors="surrogateescape"):
        size = len(character.encode(errors="surrogateescape"))
        yield character, range(columns[at], columns[at + size - 1] + 1)
        at += size


def _place_unknown(text: str, known: Mapping[int, bytes | None], spans: dict[int, Span]) -> None:
    """Unknown pieces between the same neighbours share what lies there: a word each if there are as many, else all of it."""
    before, waiting = 0, list[int]()
    for column in known:
        if column in spans:
            spans.update(_shared(text, (before, spans[column][0]), waiting))
            before, waiting = max(before, spans[column][1]), []
        elif known[column] is None:
            waiting.append(column)
    spans.update(_shared(text, (before, len(text)), waiting))


def _shared(text: str, gap: Span, columns: list[int]) -> dict[int, Span]:
    words = [(gap[0] + word.start(), gap[0] + word.end()) for word in re.finditer(r"\S+", text[slice(*gap)])]
    if not words:
        return {}
    if len(words) != len(columns):
        words = [(words[0][0], words[-1][1])] * len(columns)
    return dict(zip(columns, words, strict=True))


def _place_bare(known: Mapping[int, bytes | None], spans: dict[int, Span]) -> None:
    """A bare space goes to the piece behind it; what spells nothing that is written goes to the piece before."""
    for order, mine in (
        (reversed(list(known)), lambda piece: piece == b" "),
        (known, lambda piece: not (piece and piece.isspace())),
    ):
        last: Span | None = None
        for column in order:
            if column in spans:
                last = spans[column]
            elif last is not None and mine(known[column]):
                spans[column] = last


def _common(ours: str, theirs: str) -> list[tuple[int, int]]:
    """A longest common subsequence, as pairs of places."""
    head = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    pairs = [(n, n) for n in range(head)]
    a, b = ours[head:], theirs[head:]
    if len(a) * len(b) > MOST:
        raise ValueError(
            f"The text encoder reads the {len(ours)} characters of the prompt so differently that the words cannot be told apart. "
            "Shorten the prompt."
        )
    return pairs + [(i + head, j + head) for i, j in _longest(a, b)]


def _longest(a: str, b: str) -> list[tuple[int, int]]:
    """As the lengths of the longest common subsequences of what is left at each pair of places tell."""
    letters = torch.tensor([ord(c) for c in reversed(b)])
    rows = [torch.zeros(len(b) + 1, dtype=torch.int32)]
    for c in reversed(a) if b else ():
        row = rows[-1].clone()
        row[1:] = torch.maximum(row[1:], rows[-1][:-1] + (letters == ord(c)).int())
        rows.append(row.cummax(0).values)
    pairs, i, j = [], len(a) if b else 0, len(b)
    while i and j:
        if a[-i] == b[-j] and rows[i][j] == rows[i - 1][j - 1] + 1:
            pairs.append((len(a) - i, len(b) - j))
            i, j = i - 1, j - 1
        elif rows[i][j] == rows[i - 1][j]:
            i -= 1
        else:
            j -= 1
    return pairs
