"""What `latent-inversion report` takes."""

import argparse

from .shared import GUIDANCE, add_guidance, add_inversion, add_output, add_picture_and_model, add_trajectory

DESCRIPTION = """\
Measure what stands between an image and its edit: the autoencoder's ceiling, the inversion, the drift
under guidance. Prints the figures with advice and writes an image of them."""


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.description = DESCRIPTION
    add_picture_and_model(command)
    command.add_argument(
        "--prompt", metavar="TEXT", help="what the image shows (default: the prompt of --trajectory, or nothing)"
    )
    add_guidance(command, f"the guidance to test (default: {GUIDANCE})")
    add_inversion(command)
    add_trajectory(command)
    add_output(command, "the report sheet (default: IMAGE's name with .report.png, beside IMAGE)")
