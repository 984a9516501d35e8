"""Style transfer with the models that the commands know: by words, by the style of another picture, or by both."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..inversion_core.applications.prompt_likelihood import prompt_errors
from ..inversion_core.applications.style import SHAPES_END, STYLINGS, Style, keeping_shapes
from ..inversion_core.attention.technique import Technique
from ..inversion_core.backends.diffusers.features import attention_layers
from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.loops.edit import Edited
from ..inversion_core.shapes import Picture
from ..inversion_core.techniques.style_id import first_layer
from ..inversion_core.trajectory import Trajectory
from ..inversion_core.types import Cond
from ..pictures.errors import UserError
from .batch import Making

BLANK = "{}"
"""Stands in a description for the word of the style."""
STYLES = ("photo", "painting", "sketch")
"""Among which the style of a picture is read by default; the toybox knows no others."""


@dataclass(frozen=True)
class Wish:
    """A picture, what it shows, and what it shall show, in which a blank stands for the style's word."""

    picture: Picture
    source: str
    target: str


@dataclass(frozen=True)
class Look:
    """A picture whose style is wanted, and what it shows, in which a blank stands for the style's word."""

    picture: Picture
    words: str


@dataclass(frozen=True)
class Styling:
    """How a style is taken: with its word, if there is a blank for it, read off the picture among `styles`; and by the
    attention `method` of `STYLINGS` (None: by words alone), from the decoder's `layer` on (None: as `first_layer`). Shapes
    are kept up to the fraction `shapes` of the steps.
    """

    method: str | None = None
    styles: Sequence[str] = STYLES
    layer: int | None = None
    shapes: float = SHAPES_END


BY_WORD = Styling()
BY_ATTENTION = Styling(method="StyleAligned")
"""What came nearest to the truth on the toybox, if the style can be named, and else."""


@dataclass(frozen=True)
class Styled:
    """The edited latents, and the prompts that they were made with."""

    edited: Edited
    targets: list[str]


def transferred(
    studio: Studio,
    wishes: Sequence[Wish],
    looks: Sequence[Look] = (),
    *,
    styling: Styling | None = None,
    making: Making | None = None,
) -> Styled:
    """Each picture, all of one size, in the style that its target names or that its look shows, in one batch.

    `styling` is by default `BY_WORD` if the targets name a style or have a blank for it, else `BY_ATTENTION`. Raises
    UserError if a look is wanted and there is none.
    """
    making = making or Making()
    named = all(BLANK in wish.target for wish in wishes) or not looks
    styling = styling or (BY_WORD if named else BY_ATTENTION)
    if not looks and (styling.method or any(BLANK in wish.target for wish in wishes)):
        raise UserError("There is no image to take the style from. Name a style image.")
    words = style_words(studio, looks, styling.styles, making) if looks else [""] * len(wishes)
    targets = [wish.target.replace(BLANK, word) for wish, word in zip(wishes, words, strict=True)]
    sources = [wish.source for wish in wishes]
    trajectory = making.inverted(studio, [wish.picture for wish in wishes], sources)
    techniques = [keeping_shapes(studio.prompt_tokens(sources[0]), trajectory.sigmas, end=styling.shapes)]
    if styling.method:
        techniques.append(_shown(studio, looks, words, styling, making, trajectory))
    return Styled(making.edited(studio, trajectory, sources, targets, techniques), targets)


def style_words(studio: Studio, looks: Sequence[Look], styles: Sequence[str], making: Making) -> list[str]:
    """Each look's word among `styles`: the one under which the model's error on it is least; none if there is no blank for it."""
    if not all(BLANK in look.words for look in looks):
        return [""] * len(looks)
    x0 = studio.encode_picture(torch.cat([look.picture for look in looks]))
    prompts = [Cond(studio.encode_prompts([look.words.replace(BLANK, style) for look in looks])) for style in styles]
    errors = prompt_errors(studio.denoiser, x0, making.grid(studio, x0), prompts)
    return [styles[number] for number in errors.argmin(1).tolist()]


def _shown(
    studio: Studio, looks: Sequence[Look], words: Sequence[str], styling: Styling, making: Making, beside: Trajectory
) -> Technique:
    """The technique that shows the network the looks, on the pictures' own grid."""
    texts = [look.words.replace(BLANK, word) for look, word in zip(looks, words, strict=True)]
    trajectory = making.inverted(studio, [look.picture for look in looks], texts, beside.sigmas)
    layers = attention_layers(studio.denoiser.network, studio.denoiser.blocks)
    layer = first_layer(layers) if styling.layer is None else styling.layer
    style = Style(trajectory, Cond(studio.encode_prompts(texts)), layer=layer)
    return STYLINGS[styling.method or ""](style, beside.sigmas)
