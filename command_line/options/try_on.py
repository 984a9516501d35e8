"""What `latent-inversion try-on` takes."""

import argparse
from pathlib import Path

from .. import values
from .shared import add_guidance, add_model, add_output, add_steps

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
    add_output(command, "the new image (default: IMAGE's name with .dressed.png, beside IMAGE)")
