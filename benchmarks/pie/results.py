"""The rows of a run in one file of JSON lines, which a later run continues."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latent_inversion.pictures.errors import UserError

Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """A file whose first line holds the settings and each further line a row; rows are told apart by picture and setting."""

    path: Path
    rows: dict[tuple[str, str], Row]

    def add(self, row: Row) -> None:
        """Keep a row: it is on the disk, whole, when this returns."""
        _append(self.path, row)
        self.rows[row["key"], row["setting"]] = row


def open_results(path: Path, settings: dict[str, Any], say: Callable[[str], None]) -> Results:
    """The results of earlier runs, or none yet; the end of a line that was cut off is dropped.

    Raises UserError if the file is of other settings, and says which.
    """
    lines = _whole_lines(path, say) if path.exists() else []
    if not lines:
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(path, {"settings": settings})
        return Results(path, {})
    _refuse_others(path, lines[0].get("settings"), json.loads(json.dumps(settings)))
    return Results(path, {(row["key"], row["setting"]): row for row in lines[1:]})


def _whole_lines(path: Path, say: Callable[[str], None]) -> list[Row]:
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        say(f"{path}: the last line was cut off and is dropped.")
        os.truncate(path, len(whole))
    try:
        return [json.loads(line) for line in whole.splitlines()]
    except ValueError as error:
        raise UserError(
            f"{path} is no file of this benchmark's rows: {error}. Move it away, or choose another --out."
        ) from error


def _refuse_others(path: Path, theirs: Any, ours: dict[str, Any]) -> None:
    if not isinstance(theirs, dict):
        raise UserError(f"{path} does not begin with its settings. Move it away, or choose another --out.")
    other = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    if other:
        told = "; ".join(f"{name}: {theirs.get(name)} there, {ours.get(name)} now" for name in other)
        raise UserError(
            f"{path} holds rows of other settings ({told}). Choose another --out, or the settings of the file."
        )


def _append(path: Path, row: Row) -> None:
    """One write of a whole line at the end, flushed to the disk."""
    with path.open("ab", buffering=0) as file:
        file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
        os.fsync(file.fileno())
