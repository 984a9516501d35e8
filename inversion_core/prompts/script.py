"""Words and phrases in the characters of a text, in any script."""

import re
import unicodedata
from collections.abc import Container, Iterable
from functools import cache
from itertools import pairwise

HAN, KANA = {"CJK", "IDEOGRAPHIC", "BOPOMOFO"}, {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}
SPACELESS = frozenset({*HAN, *KANA, "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "TAI", "JAVANESE"})
"""Scripts that set no spaces between words, by the first word of their characters' names in Unicode."""
ENDINGS = frozenset({"HANGUL"})
"""Scripts whose words carry endings that name no other thing: what stands at a word's beginning may be named alone."""
ALIKE = {**dict.fromkeys("‘’ʼ`´", "'"), **dict.fromkeys("“”„«»", '"'), **dict.fromkeys("‐‑‒–—−", "-")}
"""Signs that keyboards and cleaning of texts exchange for each other."""
INSIDE = "-'"
"""Signs that stand inside words."""

Span = tuple[int, int]
"""The first character, and the one behind the last."""


@cache
def folded_character(character: str) -> str:
    """What is compared of a character: without case, decomposed, its forms of width, quote and dash alike; what is not seen is nothing."""
    if character.isspace():
        return " "
    plain = unicodedata.normalize("NFKD", ALIKE.get(character, character).casefold()).casefold()
    plain = "".join(ALIKE.get(c, c) for c in plain)
    return "".join(
        c for c in plain if unicodedata.category(c) not in ("Cf", "Cc", "Cs") and not "\ufe00" <= c <= "\ufe0f"
    )


def folded(text: str) -> str:
    """A text as it is compared with others."""
    return "".join(map(folded_character, text))


def folded_places(text: str) -> list[tuple[str, int]]:
    """The folded characters of a text, each with the place of the one that it comes from."""
    return [(c, place) for place, character in enumerate(text) for c in folded_character(character)]


@cache
def kind(character: str) -> str:
    """What a character is: a letter (or figure), a mark on the one before (or unseen), a space, punctuation or another sign."""
    category, plain = unicodedata.category(character), folded_character(character)
    if not plain or category[0] == "M" or character in "ﾞﾟ" or "\u1160" <= character <= "\u11ff":
        return "mark"
    if not plain.strip():
        return "space"
    return "letter" if category[0] in "LN" or character == "_" else "punctuation" if category[0] == "P" else "sign"


def kinds_of(text: str) -> list[str]:
    """The kinds of a text's characters; a mark is of the kind of what it stands on, and a letter if that is nothing."""
    kinds: list[str] = []
    for which in map(kind, text):
        alone = not kinds or kinds[-1] == "space"
        kinds.append(which if which != "mark" else "letter" if alone else kinds[-1])
    return kinds


@cache
def _of(scripts: frozenset[str], character: str) -> bool:
    name = unicodedata.name(folded_character(character)[:1] or " ", "")
    return bool(scripts & set(name.split(maxsplit=1)[:1]))


def occurrences(text: str, phrase: str) -> list[Span]:
    """Where a word or phrase stands in a text, as whole words; in scripts without spaces also as a part of what is written together."""
    places = folded_places(text)
    plain = "".join(c for c, _ in places)
    pattern = r"\s+".join(re.escape(part) for part in folded(phrase).split())
    spans = [match.span() for match in re.finditer(pattern, plain)] if pattern else []
    found = [(places[start][1], places[end - 1][1] + 1) for start, end in spans if _cut(places, start, end)]
    kinds = kinds_of(text)
    return [
        (start, end) for start, end in found if _border(text, kinds, start) and _border(text, kinds, end, within=True)
    ]


def _seen(text: str, places: Iterable[int], default: int) -> int:
    """The first of some places whose character is seen."""
    return next((place for place in places if folded_character(text[place])), default)


def _cut(places: list[tuple[str, int]], start: int, end: int) -> bool:
    """Whether no character of the text is cut through."""
    return all(at in (0, len(places)) or places[at - 1][1] != places[at][1] for at in (start, end))


def _border(text: str, kinds: list[str], at: int, *, within: bool = False) -> bool:
    """Whether a word may begin, or (`within`) end, before the character `at`."""
    before, behind = _seen(text, reversed(range(at)), -1), _seen(text, range(at, len(text)), len(text))
    if before < 0 or behind == len(text):
        return True
    if kind(text[behind]) == "mark":  # it stands on the one before, or on nothing
        return kinds[before] == "space"
    lettered = kinds[before] == kinds[behind] == "letter"
    scripts = SPACELESS | ENDINGS if within else SPACELESS
    return not lettered or any(_of(scripts, text[place]) for place in (before, behind))


def runs(text: str, crossed: Container[int], *, whole: bool = False) -> list[Span]:
    """The words of a text and its signs, each run of punctuation as one.

    Written together without spaces, words end wherever a place is not `crossed` by a token, and nothing else is cut through.
    `whole` words do not heed other tokens, have hyphens, apostrophes and decimal points in them, and keep their endings.
    """
    kinds = kinds_of(text)
    together = _whole if whole else _smallest
    starts = [at for at in range(len(text)) if at == 0 or not together(text, kinds, at, crossed)]
    return [(start, end) for start, end in pairwise([*starts, len(text)]) if kinds[start] != "space"]


def _smallest(text: str, kinds: list[str], at: int, crossed: Container[int]) -> bool:
    """Whether the character `at` belongs to what is aligned of the one before."""
    if at in crossed:
        return True
    return kinds[at - 1] == kinds[at] and (kind(text[at]) == "mark" or not _spaceless(SPACELESS | ENDINGS, text, at))


def _whole(text: str, kinds: list[str], at: int, crossed: Container[int]) -> bool:
    """Whether the character `at` belongs to what is called a word of the one before."""
    if _inside(text, kinds, at) or _inside(text, kinds, at - 1):
        return True
    return kinds[at - 1] == kinds[at] and (
        at in crossed or kind(text[at]) == "mark" or not _spaceless(SPACELESS, text, at)
    )


def _spaceless(scripts: frozenset[str], text: str, at: int) -> bool:
    return _of(scripts, text[at - 1]) or _of(scripts, text[at])


def _inside(text: str, kinds: list[str], at: int) -> bool:
    """Whether the character `at` is a sign inside a word or a number."""
    if not 0 < at < len(text) - 1 or kinds[at - 1 : at + 2 : 2] != ["letter", "letter"]:
        return False
    figures = text[at - 1].isdigit() and text[at + 1].isdigit()
    return folded_character(text[at]) in (*INSIDE, *(".," if figures else ""))


def words_of(text: str) -> list[str]:
    """The words of a text as people write them, without punctuation."""
    found = (text[slice(*span)] for span in runs(text, range(len(text)), whole=True))
    return [word for word in found if readable(word)]


def readable(text: str) -> bool:
    """Whether there is more in it than punctuation."""
    return any(kind(character) in ("letter", "sign") for character in text)
