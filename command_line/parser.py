"""The command line as a whole, with help that teaches."""

import argparse
from collections.abc import Collection
from typing import NoReturn

from ..inversion_core.wording import plain
from .commands import COMMANDS, load_command

LONGEST = 1000
"""The most letters of what is said about an option."""

INTRODUCTION = """\
Invert a real image into the noise that a diffusion model would have made it from, check the reconstruction,
and edit the image by changing the prompt.
"""
EXAMPLES = """\
examples:
  latent-inversion demo
  latent-inversion report cat.jpg --model ~/models/stable-diffusion-v1-5 --prompt "a cat on a sofa"
  latent-inversion edit cat.jpg --model ~/models/stable-diffusion-v1-5 \\
      --source "a cat on a sofa" --target "a dog on a sofa" --words cat dog
"""


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: object) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        super().error(plain(message, LONGEST))


def parser(asked: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The command line with all commands, of which those that are `asked` for have their options."""
    top = _Parser(prog="latent-inversion", description=INTRODUCTION, epilog=EXAMPLES)
    commands = top.add_subparsers(dest="command", required=True, metavar=" | ".join(COMMANDS))
    for name, about in COMMANDS.items():
        command = commands.add_parser(name, help=about)
        if name in asked:
            load_command(name).add_options(command)
        command.add_argument("--debug", action="store_true", help="show where an error came from")
    return top
