"""What `latent-inversion demo` takes."""

import argparse
from pathlib import Path

from .. import values

DESCRIPTION = """\
Edit six images that no model made and none has seen, and compare each edit with its true result. Leaves one sheet of
all edits, the images before and after, and report.json with the figures. Takes about a minute on two cores."""


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.description = DESCRIPTION
    command.add_argument(
        "--out", **values.FOLDER, default=Path("out/demo"), help="the folder to fill (default: %(default)s)"
    )
    command.add_argument("--steps", **values.STEPS, default=20, help="steps of every trajectory (default: %(default)s)")
