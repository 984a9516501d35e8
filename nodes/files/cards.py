"""What the browser shows of each saved trajectory."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from ...inversion_core.files.file_head import StorageError, load_header
from ...inversion_core.wording import plain
from ..kit.notes import SIDE
from .file_metadata import provenance_in
from .trajectory_folder import beside, path_of, saved_files

MOST = 200
"""How many of the newest files are shown."""
LONGEST = 500
"""The most letters of a text on a card."""


def cards() -> list[dict[str, Any]]:
    """A card for each of the newest files."""
    return [card_of(path_of(file), file) for file in saved_files()[:MOST]]


def card_of(path: Path, file: str) -> dict[str, Any]:
    """What a file tells, by name; of one that cannot be read the error instead."""
    try:
        state = path.stat()
        facts = _facts(path, state.st_mtime_ns, state.st_size)
        return {"file": file, "name": path.name, **facts, "null_text": beside(path) is not None}
    except (ValueError, OSError) as error:
        return {"file": file, "name": path.name, **_refusal(path, error)}


def _refusal(path: Path, error: Exception) -> dict[str, Any]:
    return {"error": plain(str(error).replace(str(path), path.name), LONGEST)}


@lru_cache(maxsize=2 * MOST)
def _facts(path: Path, changed: int, size: int) -> dict[str, Any]:
    """What the file told when it was last changed; the refusal, if it was refused."""
    try:
        header = load_header(path)
    except StorageError as error:
        return _refusal(path, error)
    provenance, made = provenance_in(header), header.notes.get("made")
    frame = header.notes.get("frame")
    sides = [frame.get(side) for side in ("width", "height")] if isinstance(frame, dict) else []
    facts = {
        "changed": str(changed),
        "bytes": size,
        "thumbnail": header.thumbnail is not None,
        "workflow": "workflow" in header.texts,
        "size": sides if all(type(side) is int and 0 < side <= SIDE for side in sides) else [],
        "pictures": header.shape[0],
        "steps": header.steps,
        "method": provenance.method,
        "guidance": provenance.guidance,
        "prompt": provenance.prompt,
        "negative": provenance.negative,
        "model": provenance.checkpoint,
        "loras": list(provenance.loras),
        "created": str(made.get("created", ""))[:40] if isinstance(made, dict) else "",
    }
    return {name: plain(fact, LONGEST) if isinstance(fact, str) else fact for name, fact in facts.items()}
