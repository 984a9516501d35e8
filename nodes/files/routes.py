"""What the pack's scripts in the browser ask the server for: the saved trajectories, their thumbnails and workflows.

Only files in ComfyUI's output and input folders are answered for; what is wrong is said in a sentence.
"""

import asyncio
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import folder_paths
from PIL import Image

from ...inversion_core.files.file_head import StorageError, load_header
from ...inversion_core.files.trajectory_file import load_thumbnail
from ...inversion_core.wording import plain, quoted
from ...pictures.files import shrink
from .cards import card_of, cards
from .thumbnails import SIDE
from .trajectory_folder import path_of

ROOT = "/latent_inversion"
HEADERS = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer: a page from elsewhere, of another port too, cannot show what lies in ComfyUI's folders."""


def register() -> None:
    """Adds the routes to the running server, once; nothing where there is none."""
    from server import PromptServer

    server = getattr(PromptServer, "instance", None)
    if server is None or any(str(getattr(route, "path", "")).startswith(ROOT) for route in server.routes):
        return
    server.routes.get(f"{ROOT}/trajectories")(answering(list_trajectories))
    server.routes.get(f"{ROOT}/thumbnail")(answering(thumbnail))
    server.routes.get(f"{ROOT}/workflow")(answering(workflow))


def answering(work: Callable[[str], tuple[bytes, str]]) -> Callable[[Any], Any]:
    """A handler that gives `work` the query's `file`, beside the loop; its errors become answers 400, 404 and 422."""
    from aiohttp import web

    async def handler(request: Any) -> Any:
        try:
            body, kind = await asyncio.to_thread(work, request.query.get("file", ""))
        except (OSError, ValueError) as error:
            kinds = {FileNotFoundError: 404, StorageError: 422, OSError: 422, ValueError: 400}
            status = next(status for kind, status in kinds.items() if isinstance(error, kind))
            return web.json_response({"error": plain(without_folders(str(error)))}, status=status, headers=HEADERS)
        return web.Response(body=body, content_type=kind, headers=HEADERS)

    return handler


def without_folders(text: str) -> str:
    """A message that names files as users know them."""
    for kind in ("output", "input"):
        text = text.replace(os.path.realpath(folder_paths.get_directory_by_type(kind)) + os.sep, "")
    return text


def list_trajectories(file: str) -> tuple[bytes, str]:
    """The cards of all files, or of one, as JSON."""
    entries = [card_of(_existing(file), file)] if file else cards()
    return json.dumps({"trajectories": entries}).encode(), "application/json"


def thumbnail(file: str) -> tuple[bytes, str]:
    """The file's thumbnail as PNG."""
    path = _existing(file)
    picture = load_thumbnail(path)
    if picture is None:
        raise FileNotFoundError(f"{path.name} has no thumbnail.")
    written = io.BytesIO()
    Image.fromarray(shrink(picture.numpy(), SIDE)).save(written, "PNG")
    return written.getvalue(), "image/png"


def workflow(file: str) -> tuple[bytes, str]:
    """The workflow that made the file, as JSON."""
    path = _existing(file)
    text = load_header(path).texts.get("workflow", "")
    try:
        known = isinstance(json.loads(text or "null"), dict)
    except (ValueError, RecursionError):
        known = False
    if not known:
        raise FileNotFoundError(f"{path.name} holds no workflow.")
    return text.encode(), "application/json"


def _existing(file: str) -> Path:
    path = path_of(file)
    if not path.is_file():
        raise FileNotFoundError(f"There is no trajectory file {quoted(file)}.")
    return path
