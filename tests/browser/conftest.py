"""A browser, and each ComfyUI checkout with the front end that it requires; tests are skipped with the reason where one lacks."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.browser import FOLDERS, chromium, front_end_options, required_front_end, why_no_browser
from harness.server import ComfyServer

SCREENSHOTS = "LATENT_INVERSION_SCREENSHOTS"
"""An environment variable: the folder for screenshots; out/screenshots if it is not set."""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    if missing := why_no_browser():
        pytest.skip(missing)
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def front_end_server(
    browser: Any, comfy_checkout: Path, make_comfy_server: Callable[..., ComfyServer]
) -> Iterator[ComfyServer]:
    """The checkout's running server with its own front end, and live previews."""
    options = front_end_options(comfy_checkout)
    if options is None:
        version = required_front_end(comfy_checkout)
        pytest.skip(
            f"{comfy_checkout.name} wants comfyui-frontend-package {version}: pip install --no-deps --target FOLDER "
            f"comfyui-frontend-package=={version}, and set {FOLDERS}=FOLDER"
        )
    with make_comfy_server(options=(*options, "--preview-method", "latent2rgb")) as server:
        yield server


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """Where a screenshot of that name belongs, kept after the test: `front.screenshot(shot("mask chosen"))`."""
    folder = Path(os.environ.get(SCREENSHOTS) or ROOT / "out" / "screenshots")
    _, _, parameters = request.node.name.partition("[")

    def path(name: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return folder / (re.sub(r"[^\w.]+", "-", f"{request.path.stem}-{name}-{parameters}").strip("-") + ".png")

    return path
