"""Which of several edits of one picture is best: what arrived first, then what is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..quality.verdict import Outcome, Verdict
from .compare import Compared

T = TypeVar("T")

BEST = 3
"""So many are shown as the best."""
NO_EDITS: dict[Outcome, str] = {
    "same": "the same image",
    "lost": "nothing like the image",
    "unheld": "the model cannot represent the image",
}
"""What came out where it is no edit."""


@dataclass(frozen=True, order=True)
class Standing:
    """Whether the change is there, and how much of the rest is kept, in a measure that all compared edits share."""

    arrived: bool
    kept: float


def standing(result: Compared, verdict: Verdict) -> Standing:
    """Where no true picture is known: the change is there if the model finds the target prompt likelier than the source prompt
    of a picture that visibly changed and is not lost; kept are its outlines."""
    return Standing(verdict.outcome == "edited" and result.likelier > 0, verdict.likeness)


def found(outcome: Outcome, arrived: bool, likeness: float) -> str:
    """What came out, in the few words of a table."""
    there = "the change is there" if arrived else "the change is hardly there"
    return NO_EDITS.get(outcome, f"{there}, {kept(likeness)}")


def kept(likeness: float) -> str:
    """How much of the image's outlines is kept, in words."""
    return f"{100 * max(likeness, 0.0):.0f} % of the outlines kept"


def best_first(compared: Sequence[T], standing_of: Callable[[T], Standing]) -> list[T]:
    """The edits in order."""
    return sorted(compared, key=standing_of, reverse=True)


def place(number: int) -> str:
    """The place of the edit with that number in order, from 0: 1st, 2nd, 3rd, 4th ..."""
    count = number + 1
    ending = "th" if count % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{ending}"
