"""The options of `latent-inversion compare`."""

import argparse
from pathlib import Path

from .. import help as texts
from .. import values
from ..options import add_picture_and_model


def add_compare(commands: argparse._SubParsersAction) -> None:
    """The command and what it takes."""
    compare = commands.add_parser(
        "compare",
        help="every method on one image, side by side",
        description=texts.COMPARE,
        epilog=texts.COMPARE_EXAMPLES,
    )
    add_picture_and_model(compare)
    compare.add_argument("--source", metavar="TEXT", default="", help="what the image shows (default: nothing said)")
    compare.add_argument("--target", metavar="TEXT", required=True, help="what the image should show")
    compare.add_argument(
        "--methods", nargs="+", metavar="METHOD", default=[], help="methods to run (default: all that fit the model)"
    )
    compare.add_argument(
        "--steps", metavar="NUMBER", type=values.steps, help=f"steps of every method (default: {texts.STEPS})"
    )
    compare.add_argument(
        "--guidance",
        type=values.guidance,
        metavar="NUMBER",
        help="one guidance for all methods (default: the published value of each)",
    )
    compare.add_argument(
        "--strength",
        type=values.share,
        metavar="SHARE",
        help="fraction of the steps that are edited, one for all methods (default: the published value of each)",
    )
    compare.add_argument("--seed", type=values.seed, metavar="NUMBER", default=0, help="for methods that draw noise")
    compare.add_argument(
        "-o", "--out", type=Path, metavar="FOLDER", help="the folder to fill (default: IMAGE's name with .methods)"
    )
