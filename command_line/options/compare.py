"""What `latent-inversion compare` takes."""

import argparse

from .. import values
from .shared import add_guidance, add_output, add_picture_and_model, add_steps

DESCRIPTION = """\
Edit an image with every method that fits the model, each with its published settings for this kind of
model. Leaves one image per method, one sheet of them all, best first, and the figures: network evaluations, seconds, how
near the model comes to the image without the edit, and how far the edit went from the image. The best are those that show
the change, by the model's own eye, and keep most of the image's outlines.
"""
EXAMPLE = """\
example:
  latent-inversion compare cat.jpg --model DIR --source "a cat on a sofa" --target "a dog on a sofa"
"""


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.description, command.epilog = DESCRIPTION, EXAMPLE
    add_picture_and_model(command)
    command.add_argument("--source", metavar="TEXT", default="", help="what the image shows (default: nothing said)")
    command.add_argument("--target", metavar="TEXT", required=True, help="what the image should show")
    command.add_argument(
        "--methods", nargs="+", metavar="METHOD", default=[], help="methods to run (default: all that fit the model)"
    )
    add_steps(command)
    add_guidance(
        command, "one guidance for all methods (default: the published value of each, or the model's usual one)"
    )
    command.add_argument(
        "--strength",
        **values.SHARE,
        help="fraction of the steps that are edited, one for all methods (default: the published value of each)",
    )
    command.add_argument("--seed", **values.SEED, default=0, help="for methods that draw noise")
    add_output(command, "the folder to fill (default: IMAGE's name with .methods, beside IMAGE)", "FOLDER")
