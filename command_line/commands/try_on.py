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
from .. import values
from ..models import studio_of
from ..options import add_guidance, add_model, add_output, add_steps
from ..outputs import check_picture
from ..try_on import Clothes, try_on
from ..verdict import sentence, verdicts
from ..workspace import making_of, open_picture

DESCRIPTION = """\
Put the garment of one image on the person of another. The garment is moved and scaled to where the person's clothing is,
the noise of the garment becomes the start of the edit there, and the edit attends to the garment; elsewhere the image of
the person is kept.

The place of the clothing in either image is read from the attention to the words for it, or given by a mask. The new
prompt is composed from these words: the prompt of the person with the garment's words in place of the clothing's.
"""
EXAMPLES = """\
examples:
  the regions found by words (the toybox model):
    latent-inversion try-on cat.png dog.png \\
        --source "a photo of a white cat in a plain red shirt, in the snow at day" --clothing "plain red shirt" \\
        --garment-source "a photo of a black dog in a striped blue shirt, in the desert at night" \\
        --garment "striped blue shirt"
  with masks, white where the clothing is, and a garment by itself:
    latent-inversion try-on me.jpg jacket.jpg --model DIR --resize 512 --mask me.mask.png --garment-mask jacket.mask.png \\
        --source "a woman in a red dress" --clothing "red dress" --garment-source "a denim jacket" --garment "denim jacket"
"""


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.description, command.epilog = DESCRIPTION, EXAMPLES
    command.add_argument("picture", type=Path, metavar="PERSON", help="the image of the person, of any size")
    command.add_argument("garment_picture", type=Path, metavar="GARMENT", help="an image of the garment, worn or alone")
    add_model(command)
    words = command.add_argument_group("the images")
    words.add_argument("--source", metavar="TEXT", default="", help="what the person's image shows")
    words.add_argument("--clothing", metavar="TEXT", default="", help="words of --source for the clothing to replace")
    words.add_argument("--mask", **values.FILE, help="mask of PERSON's size, white where the clothing is")
    words.add_argument("--garment-source", metavar="TEXT", default="", help="what the garment's image shows")
    words.add_argument("--garment", metavar="TEXT", default="", help="words of --garment-source for the garment")
    words.add_argument("--garment-mask", **values.FILE, help="mask of GARMENT's size, white on the garment")
    words.add_argument("--target", metavar="TEXT", help="what the result shows (default: composed of the words above)")
    words.add_argument(
        "--attention-only",
        action="store_true",
        help="for a garment that cannot be moved and scaled into place: only attend to the garment, and take its statistics",
    )
    add_guidance(command)
    add_steps(command)
    add_output(command, "the new image (default: IMAGE's name with .dressed.png)")


def run(options: argparse.Namespace) -> None:
    """Write the person in the garment; outside of a mask that was given every pixel stays as it was."""
    for picture, phrase, mask, names in (
        (options.picture, options.clothing, options.mask, "--clothing or --mask"),
        (options.garment_picture, options.garment, options.garment_mask, "--garment or --garment-mask"),
    ):
        if not phrase and mask is None:
            raise UserError(f"Nothing says where the clothing is in {picture}. Give {names}.")
    out = options.out or options.picture.with_name(options.picture.stem + ".dressed.png")
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
    write_picture(out, edited)
    region = worn.region[0, 0, : pixels.shape[0], : pixels.shape[1]].cpu().numpy()
    print(f"dressed         {out} ({float(worn.region.mean()):.0%} of the image is the region)")
    print(f"verdict         {sentence(*verdicts([pixels], [edited], [back], region))}")


def open_masked(picture: Path, mask: Path | None, options: argparse.Namespace) -> tuple[Pixels, Mask | None]:
    """A picture, and its mask if there is one. Raises UserError as `read_mask`."""
    pixels = open_picture(picture, options)
    return pixels, None if mask is None else read_mask(mask, pixels.shape[:2])


def _tensors(pixels: Pixels, mask: Mask | None, multiple: int) -> tuple[Picture, Tensor | None]:
    """A picture and its mask, widened alike."""
    return to_tensor(pixels, multiple), None if mask is None else mask_to_tensor(mask, multiple)
