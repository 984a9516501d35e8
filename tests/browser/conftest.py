"""A browser, each ComfyUI checkout with the front end that it requires, and the newest; tests are skipped with the reason where one lacks."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.browser import FOLDERS, chromium, front_end_options, why_no_browser
from harness.checkouts import NEWEST_FRONT_END, NOT_FOUND, front_ends
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


def front_end_params() -> list[object]:
    """One parameter per front end; the group keeps its tests, hence its server, in one worker."""
    if not front_ends():
        return [pytest.param(None, id="none", marks=[pytest.mark.comfy, pytest.mark.skip(reason=NOT_FOUND)])]
    found = []
    for path, version in front_ends():
        name = f"{path.name} with {version}" if version == NEWEST_FRONT_END else path.name
        marks = [pytest.mark.comfy, pytest.mark.xdist_group(f"browser on {name}")]
        found.append(pytest.param((path, version), id=name, marks=marks))
    return found


@pytest.fixture(scope="session", params=front_end_params())
def front_end(request: pytest.FixtureRequest) -> tuple[Path, str]:
    """A ComfyUI folder and the version of the front end to open on it; a test that asks for it runs once for each."""
    return request.param


@pytest.fixture(scope="session")
def front_end_server(
    browser: Any, front_end: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComfyServer]:
    """A running server with this pack, that front end, and live previews."""
    checkout, version = front_end
    options = front_end_options(version)
    if options is None:
        pytest.skip(
            f"no comfyui-frontend-package {version} for {checkout.name}: pip install --no-deps --target FOLDER "
            f"comfyui-frontend-package=={version}, and set {FOLDERS}=FOLDER"
        )
    base, more = tmp_path_factory.mktemp(checkout.name), ("--preview-method", "latent2rgb")
    with ComfyServer(checkout, base, packs={"latent-inversion": ROOT}, options=(*options, *more)) as server:
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
