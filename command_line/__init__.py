"""`latent-inversion`: invert, edit and check pictures from the command line."""

import argparse
import io
import sys
from collections.abc import Sequence

from ..inversion_core.wording import plain
from ..pictures.errors import UserError
from .loading import STOPPED, loading


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it worked, 2 if the request was at fault, 1 for any other failure, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = argparse.Namespace(command="", debug=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may hold what a terminal cannot write
    try:
        with loading():
            from .commands import load_command
            from .parser import parser

            parser(arguments).parse_args(arguments, options)
            from .outputs import check_texts

            command = load_command(options.command)
        check_texts(options)
        command.run(options)
    except KeyboardInterrupt:
        return _end(options.command, "stopped", STOPPED)
    except ValueError as error:  # of this package and of the core: sentences for the user
        if options.debug and not isinstance(error, UserError):
            raise
        return _end(options.command, _said(error), 2)
    except Exception as error:
        if options.debug:
            raise
        return _end(options.command, f"{type(error).__name__}: {error} (--debug shows where)", 1)
    return 0


def _said(error: ValueError) -> str:
    """The error, in the words of the command line."""
    from .parser import as_options

    return as_options(str(error)) if isinstance(error, UserError) else str(error)


def _end(command: str, message: str, code: int) -> int:
    print(f"latent-inversion {command}".rstrip() + f": {plain(message)}", file=sys.stderr)
    return code
