"""`latent-inversion try-on`: the garment of one picture on the person of another."""

import argparse
from pathlib import Path

from torch import Tensor

from ...inversion_core.applications.try_on import DEFAULT, RECIPE
from ...inversion_core.shapes import Picture
from ...pictures.errors import UserError
from ...pictures.files import (
    Mask,
    Pixels,
    mask_to_tensor,
    paste_edit,
    read_mask,
    to_pixels,
    to_tensor,
    write_picture,
)
from ..outputs import check_picture, named_after, pasted
from ..try_on import Clothes, try_on
from ..verdict import sentence, verdicts
from ..workspace import making_of, open_picture, studio_of


def run(options: argparse.Namespace) -> None:
    """Write the person in the garment; outside of a mask that was given every pixel stays as it was."""
    for picture, phrase, mask, names in (
        (options.picture, options.clothing, options.mask, "--clothing or --mask"),
        (options.garment_picture, options.garment, options.garment_mask, "--garment or --garment-mask"),
    ):
        if not phrase and mask is None:
            raise UserError(f"Nothing says where the clothing is in {picture}. Give {names}.")
    out = options.out or named_after(options.picture, ".dressed.png")
    check_picture(out, options)
    pixels, mask = open_masked(options.picture, options.mask, options)
    garment_pixels, garment_mask = open_masked(options.garment_picture, options.garment_mask, options)
    studio = studio_of(options)
    person = Clothes(*_tensors(pixels, mask, studio.multiple), options.source, options.clothing)
    garment = Clothes(*_tensors(garment_pixels, garment_mask, studio.multiple), options.garment_source, options.garment)
    fit, targets = (RECIPE if options.attention_only else DEFAULT), None if options.target is None else [options.target]
    worn = try_on(studio, [person], [garment], targets=targets, fit=fit, making=making_of(options))
    edited, back = (to_pixels(studio.decode(x), pixels.shape[:2]) for x in (worn.edited.target, worn.edited.source[-1]))
    edited = edited if mask is None else paste_edit(pixels, edited, mask)
    region = worn.region[0, 0, : pixels.shape[0], : pixels.shape[1]].cpu().numpy()
    print(f"dressed         {pasted(out)} ({float(worn.region.mean()):.0%} of the image is the region)")
    write_picture(out, edited)
    print(f"verdict         {sentence(*verdicts([pixels], [edited], [back], region))}")


def open_masked(picture: Path, mask: Path | None, options: argparse.Namespace) -> tuple[Pixels, Mask | None]:
    """A picture, and its mask if there is one. Raises UserError as `read_mask`."""
    pixels = open_picture(picture, options)
    return pixels, None if mask is None else read_mask(mask, pixels.shape[:2])


def _tensors(pixels: Pixels, mask: Mask | None, multiple: int) -> tuple[Picture, Tensor | None]:
    """A picture and its mask, widened alike."""
    return to_tensor(pixels, multiple), None if mask is None else mask_to_tensor(mask, multiple)
