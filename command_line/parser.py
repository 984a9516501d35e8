"""The command line as a whole, with help that teaches."""

import argparse
import re
from collections.abc import Collection
from typing import NoReturn

from .. import __version__
from ..inversion_core.wording import nearest, plain, quoted
from .commands import COMMANDS
from .options import load_options

MANY = 12
"""More choices than are told at a mistake."""
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
    given: Collection[str] = ()
    """What is read."""

    def __init__(self, **options: object) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        self.exit(2, plain(f"{self.prog}: {self._sentence(message)} {self.prog} --help explains all.", LONGEST) + "\n")

    def _sentence(self, message: str) -> str:
        """What argparse says, as a sentence of what is wrong and what is wanted."""
        if missing := re.fullmatch(r"the following arguments are required: (.*)", message, re.DOTALL):
            if unknown := [name for name in self.given if name.startswith("--") and not self._knows(name)]:
                return f"There is no option {quoted(unknown[0])}.{nearest(unknown[0], self._options())}"
            names = "A command" if "|" in missing[1] else missing[1].replace(", ", " and ")
            return f"{names} {'are' if ' and ' in names else 'is'} missing."
        if unknown := re.fullmatch(r"unrecognized arguments: (.*)", message, re.DOTALL):
            option = unknown[1].split("=")[0].split()[0] if unknown[1].strip() else ""
            if not option.startswith("-"):
                return f"{quoted(unknown[1])} is more than the command takes. Put texts of several words into quotation marks."
            return f"There is no option {quoted(option)}.{nearest(option, self._options())}"
        if choice := re.fullmatch(r"argument (.*?): invalid choice: (.*) \(choose from (.*)\)", message, re.DOTALL):
            names = [name.strip(" '") for name in choice[3].split(",")] if "|" not in choice[1] else list(COMMANDS)
            named = "command" if "|" in choice[1] else choice[1].split("/")[-1]
            value = choice[2].strip("'\"")
            known = "" if len(names) > MANY else f" Choose from: {', '.join(names)}."
            return f"There is no {named} {quoted(value)}.{nearest(value, names)}{known}"
        if bad := re.fullmatch(r"argument (.*?): (.*)", message, re.DOTALL):
            option, reason = bad[1].split("/")[-1], bad[2]
            if re.fullmatch(r"expected (one|at least one) argument", reason):
                return f"{option} needs a value."
            return f"{option} takes {reason.removeprefix('expected ').removeprefix('write ')}."
        return f"{message[:1].upper()}{message[1:]}."

    def _knows(self, name: str) -> bool:
        return any(option.startswith(name.split("=")[0]) for option in self._options())

    def _options(self) -> list[str]:
        """The options of this command, or of all commands that were read."""
        commands = (a.choices.values() for a in self._actions if isinstance(a, argparse._SubParsersAction))
        parsers = [self, *(one for some in commands for one in some)]
        return [name for one in parsers for action in one._actions for name in action.option_strings]


OPTIONS = {"self_attention": "self", "size": "resize"}
"""The options that are called otherwise than the arguments of the library."""


def as_options(text: str) -> str:
    """The text with the library's arguments, which stand in backticks, as options."""
    return re.sub(r"`(\w+)`", lambda found: "--" + OPTIONS.get(found[1], found[1]).replace("_", "-"), text)


def parser(asked: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The command line with all commands, of which those that are `asked` for have their options."""
    top = _Parser(prog="latent-inversion", description=INTRODUCTION, epilog=EXAMPLES)
    top.add_argument("--version", action="version", version=f"latent-inversion {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar=" | ".join(COMMANDS))
    for name, about in COMMANDS.items():
        command = commands.add_parser(name, help=about)
        if name in asked:
            load_options(name).add_options(command)
        command.given = asked
        command.add_argument("--debug", action="store_true", help="show where an error came from")
    return top
