"""What people write: prompts with weights and brackets, and lists of words in widgets."""

import re
from typing import Any

from comfy.sd1_clip import parse_parentheses

from ...inversion_core.wording import quoted

HEAVIEST = 100
"""The largest weight of a word."""


def check_clip(clip: Any, name: str = "clip") -> None:
    """Raises ValueError if there is no text encoder."""
    if clip is None:
        raise ValueError(
            f"There is no text encoder at '{name}': the checkpoint contains none. Load one, and connect it."
        )


def unweighted(text: str) -> str:
    """The text as encoders that know weights read it, each character in its place: brackets, weights and backslashes are blank."""
    escaped = text.replace("\\)", "\0\1").replace("\\(", "\0\2")
    return _without_weights(escaped).replace("\0\1", " )").replace("\0\2", " (")


def _without_weights(text: str) -> str:
    kept = []
    for part in parse_parentheses(text):
        if len(part) < 2 or part[0] + part[-1] != "()":
            kept.append(part)
            continue
        inside = part[1:-1]
        words, colon, weight = inside.rpartition(":")
        read = words if words and colon and _is_number(weight) else inside
        kept.append(f" {_without_weights(read)}".ljust(len(part)))
    return "".join(kept)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def word_list(text: str) -> tuple[str, ...]:
    """Words or phrases with commas, of any script, or line breaks between."""
    return tuple(one.strip() for one in re.split(r"[,，、،\n]", text) if one.strip())


def weights_of(text: str) -> dict[str, float]:
    """`word: weight`, or as on the command line `word=weight`, one a line. Raises ValueError at a line of another form, and at a weight out of range."""
    weights = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        line = line.replace("：", ":")
        named, colon, weight = line.rpartition(":" if ":" in line else "=")
        try:
            weights[named.strip()] = float(weight)
        except ValueError:
            colon = ""
        if not colon or not named.strip() or not abs(weights[named.strip()]) <= HEAVIEST:
            raise ValueError(
                f"{quoted(line)} is not a word weight. Write a word, a colon and a number from -{HEAVIEST} to {HEAVIEST} on each "
                "line, as in 'smiling: 2.5'."
            )
    return weights
