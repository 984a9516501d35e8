"""Where a command writes: looked at before the work, never over what it reads, whole or not at all."""

import argparse
import os
import re
from collections.abc import Sequence
from io import BytesIO
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryFile

from PIL import Image

from ..inversion_core.wording import HALVES
from ..pictures.errors import UserError
from ..pictures.files import format_of, replacing

LONGEST = 255
"""The most bytes of a file's name on most systems."""
WRITTEN = ("out", "sheet")
"""The options that name what a command writes; the other paths it reads."""


def named_after(picture: Path, ending: str) -> Path:
    """The picture's name with another ending, beside the picture; `free`."""
    return free((picture.parent / (picture.name or "image")).with_suffix(ending))


def free(path: Path) -> Path:
    """The path, or with the first number that leaves what is there alone."""
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(one for one in chain([path], numbered) if not os.path.lexists(one))


def pasted(out: Path) -> str:
    """Where a file goes, as it can be pasted, and whether one is replaced there; asked before it is written."""
    path = str(out.absolute())
    path = f'"{path}"' if re.search(r"\s", path) else path
    return f"{path} (replaced)" if out.is_file() else path


def inputs_of(options: argparse.Namespace) -> list[Path]:
    """The files and folders that a command reads."""
    given = [value for name, value in vars(options).items() if isinstance(value, Path) and name not in WRITTEN]
    return [path for path in given if os.path.exists(path)]  # which one of too long a name does not


def check_picture(out: Path, options: argparse.Namespace) -> None:
    """Raises UserError as `check_file`, and if no picture can be written under such a name."""
    check_file(out, options)
    try:
        Image.new("RGB", (8, 8)).save(BytesIO(), format_of(out))
    except (KeyError, OSError, ValueError) as error:
        raise UserError(f"{out} does not end like an image file. Use a name like {out.stem}.png.") from error


def check_file(out: Path, options: argparse.Namespace, ending: str = "") -> None:
    """Raises UserError if no file can be written there, or it is one that the command reads."""
    _check_names(out)
    if not out.name or out.is_dir():
        raise UserError(f"{out} is a folder. Name a file in it.")
    if out.exists() and not (out.is_file() and os.access(out, os.W_OK)):
        raise UserError(f"{out} cannot be written: it is a device, or protected. Choose another name.")
    if ending and out.suffix.lower() != ending:
        raise UserError(f"{out} does not end with {ending}. Use a name like {out.stem}{ending}.")
    _check_place(out)
    for path in inputs_of(options):
        if out.exists() and (out.samefile(path) or out.resolve().parent.samefile(path)):
            raise UserError(f"{out} is read by this command and would be lost. Name another file to write.")


def check_folder(out: Path, options: argparse.Namespace, names: str) -> None:
    """Raises UserError if no folder can be filled there, or files of `names`, a pattern, are such that the command reads."""
    _check_names(out)
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file. Name a folder.")
    _check_place(out / "0")
    inputs, filled = inputs_of(options), list(out.iterdir()) if out.exists() else []
    for path in [out, *(entry for entry in filled if re.fullmatch(names, entry.name))]:
        if path.exists() and any(path.samefile(entry) for entry in inputs):
            raise UserError(f"{path} is read by this command and would be lost. Name another folder with --out.")


def _check_names(path: Path) -> None:
    """Raises UserError if a name is too long for a file's."""
    if long := [part for part in path.parts if len(os.fsencode(part)) > LONGEST]:
        size = len(os.fsencode(long[0]))
        raise UserError(f"The name {long[0][:40]}... is too long: {size} bytes, of at most {LONGEST}.")


def _check_place(path: Path) -> None:
    """Raises UserError if the folder is none, or may not be written to."""
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir():
        raise UserError(f"{there} is a file, not a folder, so {path.name} cannot be written into it.")
    try:
        TemporaryFile(dir=there).close()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"The folder {there} cannot be written to ({reason}). Name another with --out.") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_texts(options: argparse.Namespace) -> None:
    """Raises UserError if a text or a word is none in UTF-8, as may come from a terminal of another encoding."""
    for name, value in vars(options).items():
        texts: Sequence[object] = value if isinstance(value, list) else [value]
        if any(HALVES.search(text) for text in texts if isinstance(text, str)):
            raise UserError(
                f"--{name.replace('_', '-')} contains bytes that are not UTF-8 text. Set the terminal to UTF-8."
            )
