"""What the toybox cannot do, each in a sentence that says what it can: words, sizes and images from outside its world."""

from collections.abc import Callable, Sequence
from functools import cache

from torch.nn.functional import interpolate

from ..inversion_core.prompts.script import folded, kind, words_of
from ..inversion_core.quality.metrics import psnr
from ..inversion_core.shapes import Picture
from ..inversion_core.wording import plain
from .world import ATTRIBUTES, SIZE, world_words
from .world.captions import SYNONYMS

COMMAND_LINE, NODES = "--model FOLDER on the command line, load(FOLDER) in Python", "the templates 'Edit your photo'"
"""Where a real model is to be had."""
SMALL = ("a", "and", "at", "in", "no", "of", "on", "the", "with", "without")
MOST = 6
"""The most unknown words that are named."""
OWN = 26.5
"""PSNR in dB of the autoencoder, at the toybox's size, below which an image is none of its world's.

Of 752 scenes, frames and true edits none had less than 27.7, of 120 saved as JPEG of quality 60 none less than 27.2 (of quality
30: 25.2); of 512 edits by the toybox none less than 30.6. Of 23 photographs and scans of scikit-image, squeezed to its size,
20 had at most 26.2; the others are plain areas with little in them (the moon, cells).
"""


def about_words(text: str, real: str) -> str:
    """The sentence about words that the toybox does not know; empty if it knows all. `real` is where a real model is to be had."""
    unknown = list(dict.fromkeys(word for word in words_of(text) if not _known(word)))
    if not unknown:
        return ""
    named = ", ".join(f"'{plain(word, 40)}'" for word in unknown[:MOST])
    more = f" and {len(unknown) - MOST} more" if unknown[MOST:] else ""
    return (
        f"The toybox does not know the word{'s' if unknown[1:] else ''} {named}{more}. It knows: {', '.join(_names())}, and small "
        f"words like {', '.join(SMALL)}. For other words, use a real model: {real}."
    )


def _names() -> Sequence[str]:
    """The words that name what a scene shows."""
    values = [value for values in ATTRIBUTES.values() for value in values if value != "none"]
    return tuple(dict.fromkeys([*values, "fur", "shirt", *SYNONYMS.values()]))


def _known(word: str) -> bool:
    """Whether every part of a word with letters is in the vocabulary."""
    parts = folded(word).replace("'", "-").split("-")
    return all(part in _vocabulary() for part in parts if any(kind(letter) == "letter" for letter in part))


@cache
def _vocabulary() -> frozenset[str]:
    return frozenset(world_words())


def about_image(picture: Picture, recoded: Callable[[Picture], Picture], real: str) -> str:
    """The sentence about an image that is none of the toybox's world, or of its size; empty if it is.

    `recoded` is what the autoencoder makes of it at the toybox's size.
    """
    size = SIZE, SIZE
    small = picture if picture.shape[-2:] == size else interpolate(picture, size, mode="bilinear", antialias=True)
    if float(psnr(recoded(small), small).min()) < OWN:
        return (
            "The toybox draws cartoons of its own world only, and this image is from outside: whatever is set, its edits come out as "
            f"cartoons or patches. For your own photo, use a real model: {real}."
        )
    if picture.shape[-2:] == size:
        return ""
    return (
        f"The toybox draws scenes of {SIZE} x {SIZE} only, and this image has another size: scale its own scenes to {SIZE} x {SIZE}. For "
        f"your own photo, use a real model: {real}."
    )
