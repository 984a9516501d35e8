"""ComfyUI-Manager installs the pack from its repository: the nodes are there afterwards, and ComfyUI's own packages as they were.

The environment of the user has what ComfyUI needs and nothing of what the pack adds: what is installed for the tests, linked
file by file. cm-cli clones this working tree's files and runs pip, which needs its index.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.checkouts import NOT_FOUND, SHIMS, comfy_checkouts
from harness.packed import ROOT, tracked_files
from harness.server import ComfyServer
from latent_inversion.nodes import NODES

pytestmark = [pytest.mark.comfy, pytest.mark.xdist_group("manager")]

FOLDER = "COMFYUI_MANAGER"
"""An environment variable: the folder into which pip put ComfyUI-Manager (requirements-manager-test.txt)."""
ADDRESS = "https://github.com/latent-inversion/ComfyUI-Latent-Inversion"
NAME = "ComfyUI-Latent-Inversion"
BROUGHT = {"jaxtyping", "wadler_lindig", "torchmetrics", "lightning_utilities"}
"""What requirements.txt installs, and what those need beside torch."""
NOT_THE_USERS = (
    *BROUGHT,
    "diffusers",
    "latent_inversion",
    "__editable__",
    "pytest",
    "mypy",
    "ruff",
    "hypothesis",
    "beartype",
)


def manager_folder() -> Path | None:
    """Where ComfyUI-Manager lies; None if it is installed nowhere."""
    if named := os.environ.get(FOLDER):
        return Path(named)
    found = importlib.util.find_spec("comfyui_manager")
    return Path(found.origin).parents[1] if found and found.origin else None


def linked(source: str, target: str) -> None:
    """A file under a second name; on another disk, a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def packages(python: Path) -> Path:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Which file lies under each name, its size and its time of change."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(folder).as_posix(): file_facts(path) for path in files}


def file_facts(path: Path) -> tuple[int, int, int]:
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


class UsersServer(ComfyServer):
    """A server of the user's ComfyUI, run by the user's Python."""

    python = Path(sys.executable)

    def _command(self) -> list[str]:
        return [str(self.python), *super()._command()[1:]]


@dataclass(frozen=True)
class User:
    """Somebody's ComfyUI and its Python, and what cm-cli said when it installed the pack there."""

    comfyui: Path
    python: Path
    before: dict[str, tuple[int, int, int]]
    after: dict[str, tuple[int, int, int]]
    said: str


@pytest.fixture(scope="module")
def manager() -> Path:
    folder = manager_folder()
    if folder is None:
        pytest.skip(
            "no ComfyUI-Manager: pip install --no-deps --target FOLDER --requirement requirements-manager-test.txt, "
            f"and set {FOLDER}=FOLDER"
        )
    if os.name != "posix":
        pytest.skip("a folder of packages is linked file by file, which is done on POSIX systems only")
    return folder


@pytest.fixture(scope="module")
def user(manager: Path, tmp_path_factory: pytest.TempPathFactory) -> User:
    """The first ComfyUI that is found: what the manager does is the same for all."""
    if not (checkouts := comfy_checkouts()):
        pytest.skip(NOT_FOUND)
    folder = tmp_path_factory.mktemp("user")
    python = make_environment(folder / "python")
    comfyui = folder / "ComfyUI"
    left = {str(checkouts[0] / name) for name in ("models", "output", "input", "user", "custom_nodes", ".git")}
    shutil.copytree(checkouts[0], comfyui, ignore=lambda at, names: [n for n in names if os.path.join(at, n) in left])
    (comfyui / "custom_nodes").mkdir()
    repository = make_repository(folder / "repository")
    before = state(packages(python))
    said = install(manager, comfyui, python, repository)
    if "connection broken by" in said:
        pytest.skip("pip does not reach its index")
    return User(comfyui, python, before, state(packages(python)), said)


def make_environment(folder: Path) -> Path:
    """A virtual environment with what ComfyUI needs; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    target = packages(folder / "bin" / "python")
    left = shutil.ignore_patterns("*.pyc", "__pycache__", *(f"{name}*" for name in NOT_THE_USERS))
    shutil.copytree(sysconfig.get_path("purelib"), target, ignore=left, copy_function=linked, dirs_exist_ok=True)
    return folder / "bin" / "python"


def make_repository(folder: Path) -> Path:
    """A git repository of the files that git knows here, as they are."""
    try:
        names = tracked_files()
    except RuntimeError as error:
        pytest.skip(str(error))
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        linked(str(ROOT / name), str(folder / name))
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@localhost")
    for command in (("init", "-q", "-b", "main"), ("add", "-Af"), (*identity, "commit", "-qm", "As it is")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def install(manager: Path, comfyui: Path, python: Path, repository: Path) -> str:
    """What the real cm-cli says. Git finds the pack's address in `repository`; the manager asks no registry."""
    settings = comfyui / "user" / "__manager"
    settings.mkdir(parents=True)
    (settings / "config.ini").write_text("[default]\nnetwork_mode = offline\nuse_uv = False\n", encoding="utf-8")
    environment = {
        **os.environ,
        "COMFYUI_PATH": str(comfyui),
        "PYTHONPATH": os.pathsep.join((str(manager), str(SHIMS))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
    }
    command = [str(python), "-m", "cm_cli", "install", ADDRESS, "--mode", "local", "--exit-on-fail"]
    options = ["--user-directory", str(settings)]
    run = subprocess.run([*command, *options], cwd=comfyui, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    return run.stdout + run.stderr


def test_the_manager_installs_what_the_pack_adds_and_touches_nothing_else(user: User) -> None:
    assert (user.comfyui / "custom_nodes" / NAME / "__init__.py").is_file(), user.said
    changed = [name for name, facts in user.before.items() if user.after.get(name) != facts]
    assert not changed, "files of the user's packages were replaced or removed"
    assert any(name.startswith("torch/") for name in user.before)
    new = {name.split("/")[0].split("-")[0] for name in user.after if name not in user.before}
    assert new == BROUGHT


def test_the_nodes_are_there_after_the_restart(user: User) -> None:
    server = UsersServer(user.comfyui, user.comfyui)
    server.python = user.python
    with server:
        info = server.object_info()
    ours = {name for name, node in info.items() if NAME in node["python_module"]}
    assert ours == {name for names in NODES.values() for name in names}
