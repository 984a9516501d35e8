"""Values of options, checked as they are read; NaN and infinity lie in no range."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..inversion_core.wording import quoted

Number = TypeVar("Number", int, float)


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number from `low` to `high`."""

    def read(text: str) -> int:
        return _between(text, int, "whole number", low, high)

    return read


def real(low: float, high: float) -> Callable[[str], float]:
    """A number from `low` to `high`."""

    def read(text: str) -> float:
        return _between(text, float, "number", low, high)

    return read


steps, count, side, seed = whole(1, 999), whole(0, 1000), whole(8, 100_000), whole(0, 2**64 - 1)
"""Numbers of steps, of steps that may be none, of pixels, and of a draw of noise."""
layer, share, guidance = whole(0, 999), real(0, 1), real(0, 100)
"""A layer of the network, a share of the steps, and the pull of a prompt."""
MOST = 100
"""The largest factor of a word."""


def gigabytes(text: str) -> int:
    """A number of gigabytes, as bytes."""
    return round(1e9 * _between(text, float, "number of gigabytes", 1e-9, 1e6))


def weight(text: str) -> tuple[str, float]:
    """A word and its factor, joined by = or, as in Attention Edit, by a colon."""
    word, _, factor = (part.strip() for part in text.rpartition("=" if "=" in text else ":"))
    if not word:
        raise ArgumentTypeError(f"write WORD=FACTOR, for example hat=2; got {quoted(text)}")
    return word, _between(factor, float, "factor", -MOST, MOST)


def option(read: Callable[[str], object], name: str) -> dict[str, Any]:
    """What `add_argument` is told of a value: how it is read, and its name in the help."""
    return {"type": read, "metavar": name}


STEPS, GUIDANCE, SEED = option(steps, "NUMBER"), option(guidance, "NUMBER"), option(seed, "NUMBER")
SHARE, WEIGHT, LAYER = option(share, "SHARE"), option(weight, "WORD=FACTOR"), option(layer, "LAYER")
COUNT, SIDE, GIGABYTES = option(count, "STEPS"), option(side, "SIDE"), option(gigabytes, "GB")
FILE, FOLDER, IMAGE = option(Path, "FILE"), option(Path, "FOLDER"), option(Path, "IMAGE")


def _between(text: str, kind: Callable[[str], Number], what: str, low: Number, high: Number) -> Number:
    try:
        number = kind(text)
    except ValueError:
        number = None
    if number is None or not low <= number <= high:
        raise ArgumentTypeError(f"expected a {what} between {low} and {high}; got {quoted(text)}")
    return number
