"""`latent-inversion style` and `latent-inversion try-on`."""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...inversion_core.applications.try_on import DEFAULT, RECIPE
from ...inversion_core.shapes import Picture
from ...pictures.files import (
    Pixels,
    mask_to_tensor,
    pasted,
    read_mask,
    read_picture,
    shrunk,
    to_pixels,
    to_tensor,
    write_picture,
)
from ..batch import Making
from ..errors import Mistake
from ..models import studio_of
from ..outputs import check_picture
from ..progress import bar
from ..style import BLANK, BY_ATTENTION, BY_WORD, Look, Styling, Wish, transferred
from ..try_on import Clothes, try_on
from ..verdict import sentence, verdicts

Shares = NDArray[np.float32]
"""A mask of a picture's size, 0..1."""


def style_command(options: argparse.Namespace) -> None:
    """Write the picture in its new style, and say which words were used."""
    target = options.source if options.target is None else options.target
    blanks = BLANK in target
    if options.style_picture is None and (blanks or options.method or options.target is None):
        raise Mistake("There is no style. Name it in --target, or give an image of the style with --style-picture.")
    if blanks and BLANK not in options.style_source:
        raise Mistake(f"The word of the style is not marked in --style-source. Write {BLANK} for the word there too.")
    out = options.out or options.picture.with_name(options.picture.stem + ".styled.png")
    check_picture(out, options)
    pixels = opened(options.picture, options)
    shown = None if options.style_picture is None else opened(options.style_picture, options)
    studio = studio_of(options)
    wish = Wish(to_tensor(pixels, studio.multiple), options.source, target)
    looks = [] if shown is None else [Look(to_tensor(shown, studio.multiple), options.style_source)]
    styled = transferred(studio, [wish], looks, styling=styling_of(options, blanks), making=making_of(options))
    edited, back = (
        to_pixels(studio.decode(x), pixels.shape[:2]) for x in (styled.edited.target, styled.edited.source[-1])
    )
    write_picture(out, edited)
    print(f"styled          {out} (as: {styled.targets[0] or 'nothing said'})")
    print(f"verdict         {sentence(*verdicts([pixels], [edited], [back]))}")


def styling_of(options: argparse.Namespace, blanks: bool) -> Styling:
    """The styling that was asked for."""
    usual = BY_ATTENTION if options.style_picture is not None and not blanks else BY_WORD
    return Styling(options.method or usual.method, options.styles, shapes=options.shapes)


def try_on_command(options: argparse.Namespace) -> None:
    """Write the person in the garment; outside of a mask that was given every pixel stays as it was."""
    for told, mask, where in (
        (options.clothing, options.mask, "--clothing or --mask"),
        (options.garment, options.garment_mask, "--garment or --garment-mask"),
    ):
        if not told and mask is None:
            raise Mistake(f"The place of the clothing is missing for each image. Give {where}.")
    out = options.out or options.picture.with_name(options.picture.stem + ".dressed.png")
    check_picture(out, options)
    pixels, garment = (opened(path, options) for path in (options.picture, options.garment_picture))
    region, studio = (
        masked(options.mask, pixels),
        studio_of(options),
    )
    person = Clothes(*_shown(pixels, region, studio.multiple), options.source, options.clothing)
    theirs = _shown(garment, masked(options.garment_mask, garment), studio.multiple)
    clothes = Clothes(*theirs, options.garment_source, options.garment)
    fit, targets = (RECIPE if options.attention_only else DEFAULT), None if options.target is None else [options.target]
    made = try_on(studio, [person], [clothes], targets=targets, fit=fit, making=making_of(options))
    edited, back = (to_pixels(studio.decode(x), pixels.shape[:2]) for x in (made.edited.target, made.edited.source[-1]))
    edited = edited if region is None else pasted(pixels, edited, region)
    write_picture(out, edited)
    worn = made.region[0, 0, : pixels.shape[0], : pixels.shape[1]].cpu().numpy()
    print(f"dressed         {out} ({float(made.region.mean()):.0%} of the image is the region)")
    print(f"verdict         {sentence(*verdicts([pixels], [edited], [back], worn))}")


def opened(path: Path, options: argparse.Namespace) -> Pixels:
    """A picture, shrunk if that was asked for."""
    pixels = read_picture(path)
    return shrunk(pixels, options.resize) if options.resize else pixels


def masked(path: Path | None, pixels: Pixels) -> Shares | None:
    """The mask of a picture, if there is one. Raises Mistake as `read_mask`."""
    return None if path is None else read_mask(path, pixels.shape[:2])


def making_of(options: argparse.Namespace) -> Making:
    """The steps, the guidance and the bars that were asked for."""
    return Making(options.steps, options.guidance, partial(bar, shown=not options.quiet))


def _shown(pixels: Pixels, mask: Shares | None, multiple: int) -> tuple[Picture, Tensor | None]:
    """A picture and its mask, widened alike."""
    return to_tensor(pixels, multiple), None if mask is None else mask_to_tensor(mask, multiple)
