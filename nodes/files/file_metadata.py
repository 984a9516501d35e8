"""What a trajectory's file tells of itself beside its tensors: with what it was made, and the workflow that made it."""

import json
import re
from dataclasses import replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from comfy.cli_args import args

from ...inversion_core.files.file_head import Header
from ...inversion_core.trajectory import Provenance
from .workflow_origin import complete, shorten

LONGEST = 1_000_000
"""The most characters of a workflow that are kept."""


def metadata_of(provenance: Provenance, hidden: Any) -> tuple[Provenance, dict[str, str], dict[str, str]]:
    """What a file tells of its trajectory, of its making and besides, from the hidden inputs of the node that saves it.

    A ComfyUI that was started with --disable-metadata keeps neither prompts nor workflow.
    """
    made = {"pack": version(), "created": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    if args.disable_metadata:
        return Provenance(provenance.model, provenance.method, provenance.guidance), made, {}
    text = json.dumps((hidden.extra_pnginfo or {}).get("workflow") or None)
    texts = {"workflow": text} if 4 < len(text) <= LONGEST else {}
    return complete(provenance, hidden.prompt, hidden.unique_id), made, texts


def provenance_in(header: Header) -> Provenance:
    """What a file tells of its trajectory. Version 0.2.0 noted prompts, checkpoint and LoRAs beside the provenance."""
    notes = header.notes.get("made")
    notes = notes if isinstance(notes, dict) else {}
    names = {"prompt": "prompt", "negative": "negative", "checkpoint": "model"}
    texts = {name: text for name, note in names.items() if isinstance(text := notes.get(note), str) and text}
    loras = notes.get("loras")
    if isinstance(loras, list) and loras:
        texts["loras"] = tuple(name for name in loras if isinstance(name, str))
    return shorten(replace(header.provenance, **texts))


@cache
def version() -> str:
    """The pack's version, from its pyproject.toml; empty if it is not there."""
    path = Path(__file__).resolve().parents[2] / "pyproject.toml"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    match = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    return match[1] if match else ""
