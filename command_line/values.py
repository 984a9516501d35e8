"""Values of options, checked as they are read."""

from argparse import ArgumentTypeError


def steps(text: str) -> int:
    """A number of steps."""
    number = int(text)
    if not 1 <= number <= 999:
        raise ArgumentTypeError(f"steps must be between 1 and 999, got {number}")
    return number


def side(text: str) -> int:
    """The longer side of a picture in pixels."""
    pixels = int(text)
    if pixels < 8:
        raise ArgumentTypeError(f"the longer side must be 8 or more, got {pixels}")
    return pixels


def count(text: str) -> int:
    """A number of steps that may be none."""
    number = int(text)
    if not 0 <= number <= 1000:
        raise ArgumentTypeError(f"the number of steps must be between 0 and 1000, got {number}")
    return number


def share(text: str) -> float:
    """A share of the steps, 0 to 1."""
    part = float(text)
    if not 0 <= part <= 1:
        raise ArgumentTypeError(f"a share of the steps lies between 0 and 1, got {part:g}")
    return part


def gigabytes(text: str) -> int:
    """A number of gigabytes, as bytes."""
    number = float(text)
    if number <= 0:
        raise ArgumentTypeError(f"the gigabytes must be more than 0, got {number:g}")
    return int(1e9 * number)


def weight(text: str) -> tuple[str, float]:
    """A word and its factor."""
    word, _, factor = text.rpartition("=")
    if not word:
        raise ArgumentTypeError(f"write WORD=FACTOR, for example hat=2; got {text}")
    return word, float(factor)
