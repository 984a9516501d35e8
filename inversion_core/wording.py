"""The texts of others (of files, of widgets, of libraries) as they may stand in a message, a log or a page."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

MESSAGE, QUOTE = 2000, 80
"""The most letters of a message, and of a text that is quoted in one."""
HALVES = re.compile("[\ud800-\udfff]")
"""Halves of characters (surrogates), which no stream can write."""
HIDDEN = re.compile(
    f"{HALVES.pattern}|[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Besides them what steers a terminal or turns the direction of writing. Line breaks are left, and the joiners with which
words are written."""


def plain(text: str, most: int = MESSAGE) -> str:
    """The text with hidden characters escaped, as in `\\x1b`, and its middle left out beyond `most` letters."""
    return _cut(HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), _cut(text, most)), most)


def quoted(value: object, most: int = QUOTE) -> str:
    """A value of someone else's in quotation marks, on one line."""
    endless = isinstance(value, int) and value.bit_length() > 10_000  # which Python does not write out
    said = "a number of too many digits" if endless else plain(str(value), most)
    return "'" + said.replace("\n", "\\n") + "'"


def nearest(name: str, names: Iterable[str]) -> str:
    """The question whether the most similar of the names was meant, with a blank before it; empty if none is similar."""
    known = {known.lower().replace(" ", "-"): known for known in names}
    found = get_close_matches(name.lower().replace(" ", "-"), known, n=1)
    return f" Did you mean '{known[found[0]]}'?" if found else ""


def whole(text: str) -> str:
    """The text, with the sign for an unreadable character in place of each half of one."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def made_plain(error: Exception) -> Exception:
    """The error, whose words are made plain where they stand, and those of its causes and notes; another that says the same
    where an error makes its words itself."""
    errors = _chain(error)
    for one in errors:
        one.args = tuple(plain(told) if isinstance(told, str) else told for told in one.args)
        for name, told in vars(one).items():
            setattr(one, name, [plain(str(note)) for note in told] if name == "__notes__" else told)
        for name in ("strerror", "filename", "filename2") if isinstance(one, OSError) else ():
            if isinstance(told := getattr(one, name), str):
                setattr(one, name, plain(told, MESSAGE // 4))
    if not any(HIDDEN.search(str(one)) or len(str(one)) > 2 * MESSAGE for one in errors):
        return error
    return RuntimeError(plain(f"{type(error).__name__}: {error}"))


def _chain(error: BaseException) -> list[BaseException]:
    """The error and its causes, each once."""
    met: list[BaseException] = []
    left = [error]
    while left:
        one = left.pop()
        if all(one is not other for other in met):
            met.append(one)
            left += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
    return met


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most * 2 // 3 - 5]} ... {text[len(text) - most // 3 :]}"
