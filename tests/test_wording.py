"""Texts of others in messages: escaped, cut, and never more than a message can hold."""

import traceback

import pytest

from latent_inversion.inversion_core.wording import MESSAGE, QUOTE, made_plain, plain, quoted, whole

HOSTILE = "\ud800 \x1b[31m \u202e \x00 \r \u2028" + "x" * 1_000_000 + " advice"
HIDDEN = ("\ud800", "\x1b", "\u202e", "\x00", "\r", "\u2028")


class Own(Exception):
    """An error that makes its words itself."""

    def __str__(self) -> str:
        return HOSTILE


def raised(error: Exception, cause: Exception) -> Exception:
    try:
        try:
            raise cause
        except Exception as first:
            raise error from first
    except Exception as second:
        return second


def test_words_of_every_script_stay_as_they_are() -> None:
    for text in ("ein Mädchen, niño", "雪の中の　女の子", "می‌خواهم", "👩‍🎨 ☃️", "one\ntwo"):
        assert plain(text) == text


def test_what_hides_is_escaped_and_the_middle_left_out() -> None:
    said = plain(HOSTILE)
    assert said.startswith("\\ud800 \\x1b[31m \\u202e \\x00 \\r \\u2028") and said.endswith("xx advice")
    assert len(said) <= MESSAGE and plain(said) == said
    assert len(quoted(HOSTILE)) <= QUOTE + 2 and quoted("a\nb") == "'a\\nb'" and quoted(["\ud800"]) == "'['\\ud800']'"
    assert quoted(10**10_000) == "'a number of too many digits'"


def test_halves_of_characters_are_replaced_and_pairs_joined() -> None:
    assert whole("a\ud800b \ud83d\ude00") == "a�b 😀"


@pytest.mark.parametrize(
    "error",
    [
        ValueError(HOSTILE),
        KeyError(HOSTILE),
        OSError(2, HOSTILE, HOSTILE),
        UnicodeEncodeError("utf-8", HOSTILE, 0, 1, "surrogates not allowed"),
        Own(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_its_causes_and_its_notes_become_plain(error: Exception) -> None:
    known = raised(error, OSError(HOSTILE))
    if hasattr(known, "add_note"):
        known.add_note(HOSTILE)
    told = made_plain(known)
    assert told is known or isinstance(error, Own)
    shown = "".join(traceback.format_exception(told))
    assert not [letter for letter in HIDDEN if letter in shown]
    assert len(str(told)) <= 2 * MESSAGE and len(shown) <= 10 * MESSAGE


def test_an_error_that_is_plain_stays_as_it_is() -> None:
    error = raised(OSError(13, "Permission denied", "/a"), KeyError("b"))
    assert made_plain(error) is error and str(error) == "[Errno 13] Permission denied: '/a'"
    assert isinstance(error.__cause__, KeyError) and error.__cause__.args == ("b",)
