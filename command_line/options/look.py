"""What `latent-inversion look` takes."""

import argparse

from .. import values
from ..names import REGION
from .shared import add_inversion, add_output, add_picture_and_model, add_trajectory

DESCRIPTION = """\
Show where in an image each word of the prompt draws attention: the image is inverted, and attention is read along
the trajectory. Leaves words.png, every word's map over the image, and one mask per word for `edit --mask` or any other
program, white in the region of the word.
"""
EXAMPLES = """\
examples:
  latent-inversion look cat.jpg --model DIR --prompt "a cat on a sofa"
  a mask of the cat, then another animal inside it:
    latent-inversion look cat.jpg --model DIR --prompt "a cat on a sofa" --words cat --softness 0.3 --out masks
    latent-inversion edit cat.jpg --model DIR --source "a cat on a sofa" --target "a dog on a sofa" --mask masks/01-cat.png
"""


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.description, command.epilog = DESCRIPTION, EXAMPLES
    add_picture_and_model(command)
    command.add_argument("--prompt", metavar="TEXT", required=True, help="what the image shows")
    command.add_argument(
        "--words", nargs="+", metavar="WORD", default=[], help="words or phrases of the prompt (default: every word)"
    )
    command.add_argument(
        "--threshold",
        **values.SHARE,
        default=REGION,
        help="how much of a word's strongest value counts as the region of that word (default: %(default)s)",
    )
    command.add_argument(
        "--softness",
        **values.SHARE,
        default=0.0,
        help="width of the soft edge of the masks, in the units of --threshold (default: black and white)",
    )
    command.add_argument(
        "--alone",
        action="store_true",
        help="show each word's own attention, instead of how much more attention it draws than the other words",
    )
    add_inversion(command)
    add_trajectory(command)
    add_output(command, "the folder to fill (default: IMAGE's name with .words, beside IMAGE)", "FOLDER")
