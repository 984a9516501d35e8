"""What every test gets: checked array types in the core, one thread, and a real ComfyUI where there is one.

Tests of ComfyUI ask for `comfy_server` (a running server with this pack) or `comfy_checkout` (a path); each
such test runs once per checkout found, and is skipped with the reason where none is. Tests that import
`comfy.*` lie in `tests/comfy_inprocess/`, which `test_comfy_inprocess.py` runs in a process per checkout.
"""

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import torch
from jaxtyping import install_import_hook

import harness.typecheck  # noqa: F401  (the hook below finds it as an attribute of harness)
from harness.checkouts import NOT_FOUND, comfy_checkouts
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
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs no ComfyUI runs first and the browser last: what breaks soonest is seen soonest."""
    items.sort(
        key=lambda item: 2 if "browser" in item.path.parts else int(item.get_closest_marker("comfy") is not None)
    )


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


@pytest.fixture
def graph(comfy_server: ComfyServer) -> Graph:
    """An empty prompt for `comfy_server.run(graph.prompt)`."""
    return Graph(comfy_server.object_info())


@pytest.fixture
def studio(graph: Graph) -> Studio:
    """The toybox and an inverted picture in a prompt."""
    return Studio(graph)


@pytest.fixture
def another(comfy_server: ComfyServer) -> Callable[..., Studio]:
    """Makes studios in prompts of their own: `another(change=..., steps=...)`."""
    info = comfy_server.object_info()
    return lambda **settings: Studio(Graph(info), **settings)
