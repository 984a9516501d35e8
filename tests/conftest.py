"""What every test gets: checked array types in the core, one thread, and a real ComfyUI where there is one.

Tests of ComfyUI ask for `comfy_server` (a running server with this pack) or `comfy_checkout` (a path); each
such test runs once per checkout found, and is skipped with the reason where none is. Tests that import
`comfy.*` lie in `tests/comfy_inprocess/`, which `test_comfy_inprocess.py` runs in processes of their own.

A test marked `newest_only("why")` runs on the newest checkout alone: what it claims does not depend on ComfyUI's
version. LATENT_INVERSION_EVERY_VERSION=1 runs all tests on all checkouts.
"""

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import torch
from jaxtyping import install_import_hook

import harness.typecheck  # noqa: F401  (the hook below finds it as an attribute of harness)
from harness.checkouts import EVERY_VERSION, NOT_FOUND, comfy_checkouts, newest
from harness.graph import Graph
from harness.server import ComfyServer
from harness.studio import Studio

ROOT = Path(__file__).resolve().parent.parent
PACK = "latent-inversion"
CHECKOUTS = comfy_checkouts()

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
install_import_hook("latent_inversion.inversion_core", "harness.typecheck.checked")  # before the core is imported

collect_ignore = [] if "COMFYUI_CHECKOUT" in os.environ else ["comfy_inprocess"]


def pytest_configure(config: pytest.Config) -> None:
    found = Path(importlib.import_module("latent_inversion").__file__ or "").parent
    if found != ROOT:
        raise pytest.UsageError(f"latent_inversion is installed from {found}: pip install -e {ROOT}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What breaks soonest is seen soonest: what needs no ComfyUI, servers, the processes that import it, the browser."""
    repeated = [item for item in items if repeats(item)] if not EVERY_VERSION else []
    config.hook.pytest_deselected(items=repeated)
    items[:] = sorted((item for item in items if item not in set(repeated)), key=turn)


def repeats(item: pytest.Item) -> bool:
    """Whether a test that is for the newest checkout alone would run on another here."""
    return item.get_closest_marker("newest_only") is not None and checkout_of(item) not in (None, newest(CHECKOUTS))


def checkout_of(item: pytest.Item) -> Path | None:
    """The checkout that a test runs on; None for a test of none."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    return params.get("comfy_checkout") or (params.get("front_end") or (None,))[0]


def turn(item: pytest.Item) -> tuple[int, bool]:
    """When a test runs; the newest ComfyUI, which has the most tests, before the others."""
    if item.get_closest_marker("comfy") is None:
        return 0, False
    place = 3 if "browser" in item.path.parts else 2 if item.path.stem == "test_comfy_inprocess" else 1
    return place, checkout_of(item) != newest(CHECKOUTS)


def pytest_report_header() -> str:
    return f"ComfyUI: {', '.join(map(str, CHECKOUTS)) or NOT_FOUND}"


def checkout_params() -> list[object]:
    """One parameter per checkout; the group keeps its tests, hence its server, in one worker."""
    if not CHECKOUTS:
        return [pytest.param(None, id="none", marks=[pytest.mark.comfy, pytest.mark.skip(reason=NOT_FOUND)])]
    return [
        pytest.param(path, id=path.name, marks=[pytest.mark.comfy, pytest.mark.xdist_group(path.name)])
        for path in CHECKOUTS
    ]


@pytest.fixture(scope="session", params=checkout_params())
def comfy_checkout(request: pytest.FixtureRequest) -> Path:
    """A ComfyUI folder; a test that asks for it runs once for each."""
    return request.param


@pytest.fixture(scope="session")
def make_comfy_server(comfy_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ComfyServer]:
    """Makes further servers, not yet started, with this pack: `make_comfy_server(packs=..., options=...)`."""

    def make(*, packs: dict[str, Path] | None = None, options: tuple[str, ...] = ()) -> ComfyServer:
        base = tmp_path_factory.mktemp(comfy_checkout.name)
        return ComfyServer(comfy_checkout, base, packs={PACK: ROOT, **(packs or {})}, options=options)

    return make


@pytest.fixture(scope="session")
def comfy_server(make_comfy_server: Callable[..., ComfyServer]) -> Iterator[ComfyServer]:
    """The checkout's running server, shared by all tests, with this pack, tiny models and live previews."""
    packs = {"test-models": ROOT / "tests" / "harness" / "test_models"}
    with make_comfy_server(packs=packs, options=("--preview-method", "latent2rgb")) as server:
        yield server


@pytest.fixture(scope="session")
def object_info(comfy_server: ComfyServer) -> dict[str, Any]:
    """What the server told of its nodes when it had started; a test of files that came later asks it again."""
    return comfy_server.object_info()


@pytest.fixture
def graph(object_info: dict[str, Any]) -> Graph:
    """An empty prompt for `comfy_server.run(graph.prompt)`."""
    return Graph(object_info)


@pytest.fixture
def studio(graph: Graph) -> Studio:
    """The toybox and an inverted picture in a prompt."""
    return Studio(graph)


@pytest.fixture
def another(object_info: dict[str, Any]) -> Callable[..., Studio]:
    """Makes studios in prompts of their own: `another(change=..., steps=...)`."""
    return lambda **settings: Studio(Graph(object_info), **settings)
