"""What a change of words asks of a scene, and whether a picture shows it: the judge's word where no true picture is known."""

from torch import Tensor

from ..inversion_core.prompts.script import folded, words_of
from .truth import read
from .world import ATTRIBUTES, SIZE
from .world.captions import SYNONYMS

VALUES = {value: name for name, values in ATTRIBUTES.items() for value in values if value != "none"}
"""The attribute of each value; colours that several things can have are of the thing that is named next."""
NEXT = {"shirt": "shirt", "glasses": "accessory_color", "hat": "accessory_color"}
PLAIN = {synonym: word for word, synonym in SYNONYMS.items()}


def asked(source: str, target: str) -> dict[str, str]:
    """The attributes that the target names otherwise than the source, and their values."""
    before = _named(source)
    return {name: value for name, value in _named(target).items() if before.get(name) != value}


def missing(pictures: Tensor, source: str, target: str) -> tuple[str, ...] | None:
    """What a picture [1, 3, 128, 128] does not show of what was asked, as "time: night (it shows day)"; None if the judge cannot say."""
    wanted = asked(source, target)
    if not wanted or pictures.shape[-2:] != (SIZE, SIZE):
        return None
    (seen,) = read(pictures)
    told = ((name.replace("_", " "), value, seen[name]) for name, value in wanted.items() if seen[name] != value)
    return tuple(f"{name}: {value} (it shows {shown})" for name, value, shown in told)


def _named(text: str) -> dict[str, str]:
    """The values that a text names, by attribute."""
    words = [PLAIN.get(word, word) for word in map(folded, words_of(text))]
    found: dict[str, str] = {}
    for place, word in enumerate(words):
        name = VALUES.get(word)
        if name in ("accessory_color", "shirt"):
            name = next((NEXT[after] for after in words[place:] if after in NEXT), None)
        if name is not None:
            found[name] = word
    return found
