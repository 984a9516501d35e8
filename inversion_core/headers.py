"""The heads of trajectory files: everything that can be known of one without reading its tensors, checked before they are."""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .trajectory import NullText, Provenance, Trajectory

VERSION = 1
FORMATS = {"latent-inversion trajectory": Trajectory, "latent-inversion null-text": NullText}
TENSORS = {"latent-inversion trajectory": ("sigmas", "xs"), "latent-inversion null-text": ("sigmas", "embeddings")}
LONGEST, LEVELS, SIDE = 8_000_000, 10_000, 4096
"""The most bytes of a head, levels of a grid and pixels of a thumbnail's side that are read."""
HIGHEST = 1e6
"""What guidance is below; JSON knows numbers that are infinite, no numbers at all, or too large for any."""
BYTES = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "U8": 1}
FLOATS = ("F16", "BF16", "F32", "F64")


class StorageError(ValueError):
    """A file is not what was asked for; the message says what it is and what to do."""


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
    thumbnail: tuple[int, int] | None = None


def load_header(path: str | os.PathLike[str], wanted: str = "latent-inversion trajectory") -> Header:
    """The head of a file. Raises StorageError if it is missing, cut off, foreign, newer or damaged; no tensor is read."""
    head, size = _raw(Path(path))
    metadata = head.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise StorageError(f"{path} is damaged: its metadata are not texts by name.")
    kind, version = metadata.get("format"), metadata.get("version", "")
    if kind != wanted:
        other = f"a {kind} file" if kind in FORMATS else "some other safetensors file"
        raise StorageError(f"{path} is not a {wanted} file but {other}.")
    if not (version.isascii() and version.isdigit()) or len(version) > 9 or int(version) > VERSION:
        raise StorageError(
            f"{path} has format version {version[:20] or 'none'}; this version of the pack reads up to {VERSION}. "
            "Update the pack."
        )
    try:
        shapes = _checked({name: _tensor(name, entry) for name, entry in head.items()}, kind, size)
        facts, notes = (_json(metadata.get(name, "{}")) for name in ("facts", "notes"))
        provenance = _provenance(facts["provenance"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"{path} is a damaged {kind.removeprefix('latent-inversion ')} file: {_said(error)}. Ask for it again."
        ) from error
    main, picture = shapes[TENSORS[kind][1]], shapes.get("thumbnail")
    texts = {name: text for name, text in metadata.items() if name not in ("format", "version", "facts", "notes")}
    return Header(
        kind=kind,
        steps=shapes["sigmas"][1][0] - 1,
        shape=main[1][1:],
        dtype=main[0],
        bytes=size,
        provenance=provenance,
        facts=facts,
        notes=notes,
        texts=texts,
        thumbnail=None if picture is None else (picture[1][0], picture[1][1]),
    )


def _raw(path: Path) -> tuple[dict[str, Any], int]:
    """The JSON at the file's beginning and the file's size."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(LONGEST, size - 8):
                raise ValueError(f"its head is said to be {length} bytes long, in a file of {size}")
            return _json(file.read(length).decode()), size - 8 - length
    except (OSError, ValueError) as error:  # a UnicodeDecodeError and a JSONDecodeError are ValueErrors
        raise StorageError(
            f"{path} cannot be read as a latent-inversion file: {error}. It may be missing, truncated or of another kind."
        ) from error


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("its JSON is no object")
    return value


Tensors = dict[str, tuple[str, tuple[int, ...], int]]


def _tensor(name: str, entry: Any) -> tuple[str, tuple[int, ...], int]:
    """Type, shape and bytes of a tensor that the head announces. Raises ValueError if they do not belong together."""
    dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if dtype not in BYTES:
        raise ValueError(
            f"the tensor '{name[:40]}' is of type {str(dtype)[:20]}; the types here are {', '.join(BYTES)}"
        )
    if not all(type(number) is int and 0 <= number < 2**48 for number in (*shape, start, end)) or len(shape) > 8:
        raise ValueError(f"the tensor '{name[:40]}' has no usable shape")
    if end - start != math.prod(shape) * BYTES[dtype]:
        raise ValueError(f"the tensor '{name[:40]}' is said to have the shape {shape} in {end - start} bytes")
    return dtype, tuple(shape), end


def _checked(tensors: Tensors, kind: str, size: int) -> Tensors:
    """The tensors, if they are those of such a file. Raises ValueError saying what is wrong."""
    wanted = TENSORS[kind]
    may = (*wanted, *(("thumbnail", "partners", "noise") if kind.endswith("trajectory") else ()))
    if odd := [name[:40] for name in tensors if name not in may]:
        raise ValueError(f"it holds tensors that do not belong there: {', '.join(odd[:5])}")
    if missing := [name for name in wanted if name not in tensors]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    levels, main = tensors["sigmas"], tensors[wanted[1]]
    if levels[0] != "F64" or len(levels[1]) != 1 or not 2 <= levels[1][0] <= LEVELS:
        raise ValueError(f"its sigmas are {levels[0]} of shape {list(levels[1])}; wanted F64, 2 to {LEVELS} in one row")
    for name in set(tensors) - {"sigmas", "thumbnail"}:
        dtype, shape, _ = tensors[name]
        if dtype not in FLOATS or not 4 <= len(shape) <= 6 or 0 in shape or shape[1:] != main[1][1:]:
            raise ValueError(f"its {name} are {dtype} of shape {list(shape)}, which are no latents of one picture")
    dtype, shape, _ = tensors.get("thumbnail", ("U8", (1, 1, 3), 0))
    if dtype != "U8" or len(shape) != 3 or shape[2] != 3 or not all(0 < side <= SIDE for side in shape):
        raise ValueError(f"its thumbnail is {dtype} of shape {list(shape)}; wanted U8, [height, width, 3]")
    if max(end for _, _, end in tensors.values()) != size:
        raise ValueError("its tensors do not fill the file: it is truncated, or something was added")
    return tensors


def _provenance(kept: Any) -> Provenance:
    for name, value in kept.items():
        if not isinstance(value, (int, float) if name == "guidance" else str):
            raise ValueError(f"its {name} is {str(value)[:40]!r}")
    if not abs(kept.get("guidance", 1)) < HIGHEST:
        raise ValueError(f"its guidance is {str(kept['guidance'])[:40]}")
    return Provenance(**kept)


def _said(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)
