"""The registry's archive: it holds what it should, and in a folder that cannot be written it works and touches nothing.

The server that runs it is watched: no connection, no process, no unpickling, no file outside ComfyUI's base folder.
"""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.packed import pack, packed_files, tracked_files
from harness.server import ComfyServer
from harness.watching import WATCH, Seen, contents, read, variables
from harness.workflows import api_prompt
from latent_inversion.nodes import NODES

LARGEST = 45_000_000
STEPS = 4
WORKFLOW = "20 Inside - day to night, step by step.json"
WANTED = ("__init__.py", "pyproject.toml", "requirements.txt", "README.md", "LICENSE", "CHANGELOG.md")
FOLDERS = {
    "nodes",
    "inversion_core",
    "api",
    "command_line",
    "pictures",
    "toybox",
    "web",
    "locales",
    "workflows",
    "subgraphs",
}
UNWANTED = {"tests", "benchmarks", "docs", "tools", ".github", ".ci"}
NEEDLESS = {"Makefile", "constraints.txt", ".comfyignore", ".gitignore"}


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return pack(tmp_path_factory.mktemp("packed") / "node.zip")
    except RuntimeError as error:
        pytest.skip(str(error))


@dataclass(frozen=True)
class Run:
    """A server in which the archive's pack ran, once it has stopped."""

    base: Path
    folder: Path
    nodes: set[str]
    pictures: int
    saved: list[str]
    before: dict[str, tuple[int, str]]
    after: dict[str, tuple[int, str]]
    seen: list[Seen]


@pytest.fixture(scope="module")
def run(archive: Path, make_comfy_server: Callable[..., ComfyServer], tmp_path_factory) -> Iterator[Run]:
    """The unpacked archive in a real server, in a folder without the right to write."""
    folder = tmp_path_factory.mktemp("unpacked") / "latent-inversion"
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    set_mode(folder, 0o555, 0o444)
    server = make_comfy_server(packs={"latent-inversion": folder, "watch": WATCH})
    log = server.base / "seen.jsonl"
    before = contents(folder)
    with pytest.MonkeyPatch.context() as patch:
        set_environment(patch, folder, log)
        with server:
            info = server.object_info()
            prompt = short_prompt(folder / "workflows" / WORKFLOW, info)
            pictures = len(server.images(server.run(prompt)))
    ours = {name for name, node in info.items() if "latent-inversion" in node["python_module"]}
    saved = [path.name for path in (server.base / "output").rglob("*.trajectory.safetensors")]
    yield Run(server.base, folder, ours, pictures, saved, before, contents(folder), read(log))
    set_mode(folder, 0o755, 0o644)


def set_environment(patch: pytest.MonkeyPatch, pack: Path, log: Path) -> None:
    """The watch, and a folder for what torch itself writes when it is first asked for attention: a probe, a cache."""
    temporary = log.parent / "temporary"
    temporary.mkdir()
    torchs = {"TMPDIR": str(temporary), "TORCHINDUCTOR_CACHE_DIR": str(temporary / "torch")}
    for name, value in {**variables(pack, log), **torchs, "PYTHONDONTWRITEBYTECODE": "1"}.items():
        patch.setenv(name, value)


def set_mode(folder: Path, for_folders: int, for_files: int) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(for_folders if path.is_dir() else for_files)


def short_prompt(path: Path, info: dict) -> dict:
    """A workflow in few steps, its trajectory saved to a file."""
    prompt = api_prompt(json.loads(path.read_text(encoding="utf-8")), info)
    inverted = next(name for name, node in prompt.items() if node["class_type"] == "InversionDDIMInvert")
    prompt[inverted]["inputs"]["steps"] = STEPS
    inputs = {"trajectory": [inverted, 0], "filename_prefix": "inversion/packed"}
    return {**prompt, "save": {"class_type": "InversionSaveTrajectory", "inputs": inputs}}


def test_the_archive_holds_what_runs_and_nothing_else(archive: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
    assert names == packed_files() and set(WANTED) <= set(names)
    tracked = tracked_files()
    folders = {name.split("/")[0] for name in tracked if "/" in name} - UNWANTED
    assert folders >= FOLDERS
    wanted = {name for name in tracked if name.split("/")[0] in folders}  # weights, pictures and help pages too
    assert {name for name in names if "/" in name} == wanted
    assert not set(names) & NEEDLESS and not [name for name in names if name.startswith("requirements-")]
    assert archive.stat().st_size < LARGEST


def test_all_nodes_are_there_and_a_workflow_runs(run: Run) -> None:
    assert run.nodes == {name for names in NODES.values() for name in names}
    assert run.pictures >= 1 and len(run.saved) == 1


def test_nothing_is_written_into_the_packs_folder(run: Run) -> None:
    assert run.after == run.before
    assert not [one for one in run.seen if one.kind == "file" and Path(one.detail).is_relative_to(run.folder)]


def test_files_are_written_inside_comfyuis_folders_only(run: Run) -> None:
    own = [one for one in run.seen if one.kind == "file" and one.by]
    assert any(one.detail.endswith(run.saved[0]) for one in own), "the watch misses what the pack writes"
    base = run.base.resolve()
    assert not [one for one in own if not Path(one.detail).is_relative_to(base) and one.detail != "/dev/null"]


def test_the_process_connects_to_nothing_and_the_pack_starts_nothing(run: Run) -> None:
    away = [one for one in run.seen if one.kind == "network" and "127.0.0.1" not in one.detail]
    assert not away
    assert not [one for one in run.seen if one.by and one.kind in ("network", "process", "code")]


BAD = """
import pickle, socket, subprocess, sys, threading
from pathlib import Path
here = Path(__file__).resolve().parent
try:
    socket.create_connection(("127.0.0.1", 9), 0.01)
except OSError:
    pass
subprocess.run([sys.executable, "-c", ""])
(here / "written.txt").write_text("x")
pickle.loads(pickle.dumps(threading.Thread))
"""


def test_the_watch_sees_a_pack_that_misbehaves(tmp_path: Path) -> None:
    folder, log = tmp_path / "bad", tmp_path / "seen.jsonl"
    folder.mkdir()
    (folder / "bad.py").write_text(BAD, encoding="utf-8")
    code = f"import runpy, sys; runpy.run_path({str(WATCH / 'prestartup_script.py')!r}); sys.path.insert(0, {str(folder)!r}); import bad"
    environment = {**variables(folder, log), "PYTHONDONTWRITEBYTECODE": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        subprocess.run([sys.executable, "-c", code], check=True)
    own = {(one.kind, one.event) for one in read(log) if one.by}
    wanted = {
        ("network", "socket.connect"),
        ("process", "subprocess.Popen"),
        ("file", "open"),
        ("code", "pickle.find_class"),
    }
    assert own >= wanted
