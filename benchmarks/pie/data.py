"""The published format of PIE-Bench: `mapping_file.json`, prompts with brackets, masks as runs."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_inversion.pictures.errors import UserError
from latent_inversion.pictures.files import Pixels, read_picture

SIZE = 512
CATEGORIES = tuple(range(10))
TEXTS = ("image_path", "original_prompt", "editing_prompt", "editing_instruction", "editing_type_id", "blended_word")
UNBRACKETED = str.maketrans("", "", "[]")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Entry:
    """One picture of the benchmark and the edit that is asked for; `runs` are the start and length of each masked run."""

    key: str
    image_path: str
    source: str
    target: str
    instruction: str
    category: int
    blend: tuple[str, ...]
    runs: tuple[int, ...]


@dataclass(frozen=True)
class Data:
    """The benchmark's folder, its entries in the order of the mapping file, and that file's digest."""

    folder: Path
    entries: tuple[Entry, ...]
    digest: str

    def picture(self, entry: Entry) -> Pixels:
        """The pixels [512, 512, 3]. Raises UserError if they are not there or of another size."""
        path = self.folder / "annotation_images" / entry.image_path
        pixels = read_picture(path)
        if pixels.shape != (SIZE, SIZE, 3):
            raise UserError(f"{path} is {pixels.shape[1]} x {pixels.shape[0]}; the benchmark's pictures are 512 x 512.")
        return pixels

    def chosen(self, categories: Collection[int], limit: int | None) -> tuple[Entry, ...]:
        """The first `limit` entries of the categories. Raises UserError if there is none."""
        found = [entry for entry in self.entries if entry.category in categories][:limit]
        if not found:
            raise UserError(
                f"No picture of {self.folder} is in the categories {', '.join(map(str, sorted(categories)))}."
            )
        return tuple(found)


def read_data(folder: Path) -> Data:
    """The benchmark in a folder. Raises UserError if `mapping_file.json` is missing or malformed, naming key and field."""
    path = folder / "mapping_file.json"
    try:
        text = path.read_bytes()
        mapping = json.loads(text)
    except FileNotFoundError as error:
        raise UserError(f"There is no {path}; --data takes the benchmark's folder, with annotation_images.") from error
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}.") from error
    if not isinstance(mapping, dict) or not mapping:
        raise UserError(f"{path} must hold an object with one entry per picture; got {type(mapping).__name__}.")
    entries = tuple(entry_of(key, fields) for key, fields in mapping.items())
    return Data(folder, entries, hashlib.sha256(text).hexdigest()[:16])


def entry_of(key: str, fields: Any) -> Entry:
    """One entry of the mapping file. Raises UserError that names the key and the field at fault."""
    if not isinstance(fields, dict):
        raise _fault(key, "the entry", "an object", fields)
    for name in TEXTS:
        if not isinstance(fields.get(name), str):
            raise _fault(key, name, "a text", fields.get(name, "nothing"))
    path, category, blend = fields["image_path"], fields["editing_type_id"], fields["blended_word"]
    if not path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path:
        raise _fault(key, "image_path", "a path inside annotation_images", path)
    if category not in map(str, CATEGORIES):
        raise _fault(key, "editing_type_id", 'a text "0" to "9"', category)
    if len(blend.split()) == 1:
        raise _fault(key, "blended_word", "nothing, or a word of either prompt", blend)
    return Entry(
        key=key,
        image_path=path,
        source=fields["original_prompt"].translate(UNBRACKETED),
        target=fields["editing_prompt"].translate(UNBRACKETED),
        instruction=fields["editing_instruction"],
        category=int(category),
        blend=tuple(blend.split()[:2]),
        runs=_runs(key, fields.get("mask", "nothing")),
    )


def _runs(key: str, values: Any) -> tuple[int, ...]:
    if not isinstance(values, list):
        raise _fault(key, "mask", "a list of whole numbers", values)
    for place, value in enumerate(values):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise _fault(key, f"mask, value {place}", "a whole number, 0 or more", value)
    if len(values) % 2:
        raise _fault(key, "mask", "pairs of start and length", f"{len(values)} values")
    return tuple(values)


def _fault(key: str, field: str, wanted: str, got: Any) -> UserError:
    return UserError(f"mapping_file.json, entry '{key}', {field}: wanted {wanted}; got {str(got)[:60]!r}.")


def decode(runs: Sequence[int], side: int = SIZE) -> Mask:
    """The mask [side, side] of runs over its rows; a run that overflows the end is cut off there."""
    flat = np.zeros(side * side, dtype=np.bool_)
    for start, length in zip(runs[::2], runs[1::2], strict=True):
        flat[start : start + length] = True
    return flat.reshape(side, side)


def encode(mask: Mask) -> tuple[int, ...]:
    """The runs of a mask, the first first, neither empty nor touching."""
    edges = np.flatnonzero(np.diff(mask.ravel().astype(np.int8), prepend=0, append=0))
    starts, ends = edges[::2], edges[1::2]
    return tuple(int(value) for value in np.stack([starts, ends - starts], axis=1).ravel())


def with_border(mask: Mask) -> Mask:
    """The mask that the metrics use: the outermost pixel on each side counts as edited, as in the published code."""
    bordered = mask.copy()
    bordered[[0, -1], :] = bordered[:, [0, -1]] = True
    return bordered
