"""What a watched pack was seen to do (`watch/`), and folders compared before and after."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

WATCH = Path(__file__).resolve().parent / "watch"


@dataclass(frozen=True)
class Seen:
    """Something that the process did: `by` is the line of the watched pack that led to it, None if none did."""

    kind: str
    event: str
    detail: str
    by: str | None


def variables(pack: Path, log: Path) -> dict[str, str]:
    """The environment in which `watch` writes down into `log` what the pack in that folder does."""
    return {"LATENT_INVERSION_WATCHED": str(pack), "LATENT_INVERSION_SEEN": str(log)}


def read(log: Path) -> list[Seen]:
    return [Seen(**json.loads(line)) for line in log.read_text(encoding="utf-8").splitlines()]


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    """Time of change and hash of every file, time of change of every folder."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        found[path.relative_to(folder).as_posix()] = (path.stat().st_mtime_ns, digest)
    return found
