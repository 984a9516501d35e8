"""The commands and their options, with help that teaches."""

import argparse
from pathlib import Path
from typing import NoReturn

from ..inversion_core.wording import plain
from . import help as texts
from . import values
from .commands.application_options import add_style, add_try_on
from .commands.compare_options import add_compare
from .commands.edit_options import add_edit
from .commands.look import add_look
from .commands.video_options import add_video
from .options import add_inversion, add_picture_and_model

LONGEST = 1000
"""The most letters of what is said about an option."""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _parser_class()(prog="latent-inversion", description=texts.INTRODUCTION, epilog=texts.EXAMPLES)
    commands = top.add_subparsers(
        dest="command", required=True, metavar="demo | invert | edit | style | try-on | video | look | report | compare"
    )
    _demo(commands)
    _invert(commands)
    add_edit(commands)
    add_style(commands)
    add_try_on(commands)
    add_video(commands)
    add_look(commands)
    _report(commands)
    add_compare(commands)
    for command in commands.choices.values():
        command.add_argument("--debug", action="store_true", help="show where an error came from")
    return top


def _parser_class() -> type[argparse.ArgumentParser]:
    class Parser(argparse.ArgumentParser):
        def __init__(self, **options: object) -> None:
            super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)  # type: ignore[arg-type]

        def error(self, message: str) -> NoReturn:
            super().error(plain(message, LONGEST))

    return Parser


def _demo(commands: argparse._SubParsersAction) -> None:
    demo = commands.add_parser(
        "demo",
        help="edit images of the toybox world and compare with the truth",
        description="Edit six images that no model made and none has seen, and compare each edit with its true result.\nLeaves one "
        "sheet per edit and report.json with the figures. Takes under three minutes on two cores.",
    )
    demo.add_argument(
        "--out", type=Path, metavar="FOLDER", default=Path("out/demo"), help="the folder to fill (default: %(default)s)"
    )
    demo.add_argument(
        "--steps",
        metavar="NUMBER",
        type=values.steps,
        default=50,
        help="steps of every trajectory (default: %(default)s)",
    )


def _invert(commands: argparse._SubParsersAction) -> None:
    invert = commands.add_parser(
        "invert",
        help="image -> trajectory",
        description="Record the trajectory of an image: its latents from clean to pure noise. Writes a .safetensors file\nthat "
        "`edit` and `report` can use again, and beside it the image that the trajectory reconstructs.",
        epilog='example:\n  latent-inversion invert room.jpg --model DIR --prompt "a wooden chair" -o room.safetensors',
    )
    add_picture_and_model(invert)
    invert.add_argument("--prompt", metavar="TEXT", default="", help="what the image shows (default: nothing said)")
    add_inversion(invert)
    invert.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="the trajectory (default: IMAGE's name with .safetensors)"
    )


def _report(commands: argparse._SubParsersAction) -> None:
    report = commands.add_parser(
        "report",
        help="how well the image is represented and retraced",
        description="Measure what stands between an image and its edit: the autoencoder's ceiling, the inversion, the drift\nunder "
        "guidance. Prints the figures with advice and writes an image of them.",
    )
    add_picture_and_model(report)
    report.add_argument(
        "--prompt", metavar="TEXT", help="what the image shows (default: the prompt of --trajectory, or nothing)"
    )
    report.add_argument(
        "--guidance", type=values.guidance, metavar="NUMBER", help=f"the guidance to test (default: {texts.GUIDANCE})"
    )
    add_inversion(report)
    report.add_argument(
        "--trajectory",
        type=Path,
        metavar="FILE",
        help="a file of `latent-inversion invert`, instead of inverting again",
    )
    report.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="the report sheet (default: IMAGE's name with .report.png)"
    )
