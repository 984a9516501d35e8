"""What `latent-inversion invert` takes."""

import argparse

from .shared import add_inversion, add_output, add_picture_and_model

DESCRIPTION = """\
Record the trajectory of an image: its latents from clean to pure noise. Writes a .safetensors file
that `edit` and `report` can use again, and beside it the image that the trajectory reconstructs."""
EXAMPLE = 'example:\n  latent-inversion invert room.jpg --model DIR --prompt "a wooden chair" -o room.safetensors'


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.description, command.epilog = DESCRIPTION, EXAMPLE
    add_picture_and_model(command)
    command.add_argument("--prompt", metavar="TEXT", default="", help="what the image shows (default: nothing said)")
    add_inversion(command)
    add_output(command, "the trajectory (default: IMAGE's name with .safetensors, beside IMAGE)")
