"""The heads of trajectory files: everything that can be known of one without reading its tensors, checked before they are."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..trajectory import NullText, Provenance, Trajectory
from ..wording import plain, quoted, whole
from .fields import NULL_TEXT, TRAJECTORY, Stored, needed, provenance_of, tensors_of

VERSION = 1
FORMATS = {"latent-inversion trajectory": Trajectory, "latent-inversion null-text": NullText}
LAYOUTS = {"latent-inversion trajectory": TRAJECTORY, "latent-inversion null-text": NULL_TEXT}
LONGEST, BYTES = 8_000_000, 8_000_000_000
"""The most bytes of a head, and of the tensors behind it, that are read."""


class StorageError(ValueError):
    """A file is not what was asked for; the message says what it is and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(plain(message))


@dataclass(frozen=True)
class Header:
    """What a file says of itself. `shape` is that of one latent (or embedding), `thumbnail` the picture's height and width.

    `notes` are the host's own, `texts` what else the file's metadata holds, under names that other programs look for.
    """

    kind: str
    steps: int
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    provenance: Provenance
    facts: dict[str, Any]
    notes: dict[str, Any]
    texts: dict[str, str]
    tensors: dict[str, Stored]
    thumbnail: tuple[int, int] | None = None


def load_header(path: str | os.PathLike[str], wanted: str = "latent-inversion trajectory") -> Header:
    """The head of a file. Raises StorageError if it is missing, cut off, foreign, newer or damaged; no tensor is read."""
    with opened(path) as file:
        return header_of(file, path, wanted)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """The file, open to be read. Raises StorageError if there is none, or reading it fails."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # a pipe would wait for ever
            raise OSError("it is a folder or a device")
        with Path(path).open("rb") as file:
            yield file
    except (OSError, UnicodeError) as error:
        raise unreadable(path, error) from error


def unreadable(path: str | os.PathLike[str], reason: object) -> StorageError:
    """What is said of a file that is no safetensors file, or cannot be read."""
    return StorageError(
        f"{path} cannot be read as a latent-inversion file: {reason}. It may be missing, truncated or of another kind."
    )


def header_of(file: BinaryIO, path: str | os.PathLike[str], wanted: str) -> Header:
    """The head of an open file, which is left where its tensors begin. Raises StorageError as `load_header`."""
    try:
        head, size = _raw(file)
    except ValueError as error:
        raise unreadable(path, error) from error
    metadata = head.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise StorageError(f"{path} is damaged: the metadata are not texts by name.")
    kind, version = metadata.get("format"), metadata.get("version", "")
    if kind != wanted:
        other = f"a {kind} file" if kind in FORMATS else "some other safetensors file"
        raise StorageError(f"{path} is not a {wanted} file but {other}.")
    if not (version.isascii() and version.isdigit()) or len(version) > 9 or int(version) > VERSION:
        raise StorageError(
            f"{path} has format version {quoted(version, 20)[1:-1] or 'none'}; this version of the pack reads up to {VERSION}. Update the pack."
        )
    check_size(f"{path} was not read", size)
    try:
        return _header(kind, head, metadata, size)
    except ValueError as error:
        short = kind.removeprefix("latent-inversion ")
        raise StorageError(f"{path} is a damaged {short} file: {error}. Save or download the file again.") from error


def check_size(failed: str, size: int) -> None:
    """Raises StorageError if tensors of so many bytes are more than is read."""
    if size > BYTES:
        raise StorageError(
            f"{failed}: its tensors take {size / 1e9:.1f} GB, and files of up to {BYTES / 1e9:g} GB are read. Invert with fewer "
            "steps, or a smaller image or a shorter clip."
        )


def _raw(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """The JSON at the file's beginning, and the number of bytes behind it."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(LONGEST, size - 8):
        raise ValueError(f"its head is said to be {length} bytes long, in a file of {size}")
    try:
        text = file.read(length).decode()
    except UnicodeDecodeError as error:
        raise ValueError("its head is not UTF-8 text") from error
    return _json("head", text), size - 8 - length


def _json(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
        if "\\ud" in text.lower():  # perhaps half of a character, which nothing can write
            value = json.loads(whole(json.dumps(value, ensure_ascii=False)))
    except RecursionError as error:
        raise ValueError(f"the JSON of its {name} is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"its {name} is not JSON: {error}") from error
    except ValueError as error:
        raise ValueError(f"its {name} holds a number of too many digits") from error
    if not isinstance(value, dict):
        raise ValueError(f"its JSON is not an object: that of its {name}")
    return value


def _header(kind: str, head: Mapping[str, Any], metadata: Mapping[str, str], size: int) -> Header:
    """The head of a file of that kind. Raises ValueError saying which of its fields is wrong, and what is wanted."""
    layout = LAYOUTS[kind]
    tensors = tensors_of(head, layout, size)
    facts, notes = (_json(name, metadata.get(name, "{}")) for name in ("facts", "notes"))
    for name, right in layout.facts.items():
        needed(facts, name, right)
    main, picture = tensors[layout.main], tensors.get("thumbnail")
    return Header(
        kind=kind,
        steps=tensors["sigmas"].shape[0] - 1,
        shape=main.shape[1:],
        dtype=main.dtype,
        bytes=size,
        provenance=Provenance(**provenance_of(facts)),
        facts=facts,
        notes=notes,
        texts={n: text for n, text in metadata.items() if n not in ("format", "version", "facts", "notes")},
        tensors=tensors,
        thumbnail=None if picture is None else (picture.shape[0], picture.shape[1]),
    )
