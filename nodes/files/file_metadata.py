"""What a trajectory's file tells of itself beside its tensors: with what it was made, and the workflow that made it."""

import json
import re
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from comfy.cli_args import args

from .workflow_origin import origin_of

LONGEST = 1_000_000
"""The most characters of a workflow that are kept."""


def told(hidden: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The notes and the further metadata of a file, from the hidden inputs of the node that saves it.

    A ComfyUI that was started with --disable-metadata keeps neither prompts nor workflow.
    """
    dated = {"pack": version(), "created": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    if args.disable_metadata:
        return dated, {}
    text = json.dumps((hidden.extra_pnginfo or {}).get("workflow") or None)
    texts = {"workflow": text} if 4 < len(text) <= LONGEST else {}
    return origin_of(hidden.prompt, hidden.unique_id).as_notes() | dated, texts


@cache
def version() -> str:
    """The pack's version, from its pyproject.toml; empty if it is not there."""
    path = Path(__file__).resolve().parents[2] / "pyproject.toml"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    return found[1] if found else ""
