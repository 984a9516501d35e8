"""What the ComfyUI registry and ComfyUI-Manager read of the pack is complete, and its files agree with each other."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from PIL import Image

from harness.browser import required_front_end

ROOT = Path(__file__).resolve().parent.parent
FRONT_END = "comfyui-frontend-package"
COMFYUIS_OWN = {"torch", "torchvision", "torchaudio", "numpy", "transformers", FRONT_END}
"""What ComfyUI brings in versions of its own, which no pack may touch."""
RAW = "https://raw.githubusercontent.com"
SYSTEMS = {"OS Independent", "Microsoft :: Windows", "POSIX :: Linux", "MacOS"}
ACCELERATORS = {
    *("GPU :: NVIDIA CUDA", "GPU :: AMD ROCm", "GPU :: Intel Arc", "GPU :: Apple Metal"),
    "NPU :: Huawei Ascend",
}
RANGE = re.compile(r"(==|>=|<=|!=|~=|>|<)\d+\.\d+\.\d+")
SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="tomllib comes with Python 3.11")
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def needs(settings: dict[str, Any]) -> dict[str, Requirement]:
    """What pyproject.toml needs, by name."""
    found = [Requirement(line) for line in settings["project"]["dependencies"]]
    return {one.name: one for one in found}


def listed(name: str) -> dict[str, Requirement]:
    """What a file of requirements names, by name."""
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return {one.name.replace("_", "-").lower(): one for one in map(Requirement, filter(None, lines))}


def classified(settings: dict[str, Any], kind: str) -> list[str]:
    prefix = f"{kind} :: "
    return [one.removeprefix(prefix) for one in settings["project"]["classifiers"] if one.startswith(prefix)]


def test_the_registry_finds_all_that_it_reads(settings: dict[str, Any]) -> None:
    project, comfy = settings["project"], settings["tool"]["comfy"]
    assert re.fullmatch(r"[a-z][a-z0-9]*([-_.][a-z0-9]+)*", project["name"]) and "comfy" not in project["name"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["description"] and project["license"] == "Apache-2.0" and (ROOT / "LICENSE").is_file()
    addresses = {name: urlparse(project["urls"][name]) for name in ("Repository", "Documentation", "Bug Tracker")}
    assert all(one.scheme == "https" and one.path for one in addresses.values())
    assert all(comfy[name] for name in ("PublisherId", "DisplayName", "Icon", "Banner"))
    assert RANGE.fullmatch(comfy["requires-comfyui"])


def test_systems_and_accelerators_are_spelt_as_the_registry_reads_them(settings: dict[str, Any]) -> None:
    """One that it does not know, and it drops all."""
    systems, accelerators = classified(settings, "Operating System"), classified(settings, "Environment")
    assert systems and set(systems) <= SYSTEMS
    assert accelerators and set(accelerators) <= ACCELERATORS


@pytest.mark.parametrize(("name", "size"), [("Icon", (400, 400)), ("Banner", (1680, 720))])
def test_its_pictures_lie_where_their_addresses_say(settings: dict[str, Any], name: str, size: tuple[int, int]) -> None:
    repository = urlparse(settings["project"]["urls"]["Repository"]).path
    address = settings["tool"]["comfy"][name]
    assert address.startswith(f"{RAW}{repository}/main/")
    with Image.open(ROOT / address.removeprefix(f"{RAW}{repository}/main/")) as picture:
        assert picture.size == size and picture.format == "PNG"


def test_comfyui_keeps_its_own_packages(needs: dict[str, Requirement]) -> None:
    """ComfyUI-Manager installs requirements.txt, so nothing of ComfyUI's may stand there."""
    installed = listed("requirements.txt")
    assert installed and not set(installed) & COMFYUIS_OWN
    assert {"torch", FRONT_END} <= set(needs)
    assert all(str(needs[name].specifier) == str(one.specifier) for name, one in installed.items())


def test_what_the_manager_need_not_install_comfyui_brings(comfy_checkout: Path, needs: dict[str, Requirement]) -> None:
    """diffusers is the command line's; no node imports it (test_comfy_safe)."""
    text = (comfy_checkout / "requirements.txt").read_text(encoding="utf-8")
    brought = {name.lower() for name in re.findall(r"^[\w-]+", text, re.MULTILINE)}
    assert set(needs) - set(listed("requirements.txt")) - brought == {"diffusers"}


def test_the_range_of_front_ends_holds_those_that_are_tested(
    settings: dict[str, Any], needs: dict[str, Requirement], comfy_checkout: Path
) -> None:
    supported = needs[FRONT_END].specifier
    assert all(RANGE.fullmatch(str(one)) for one in supported), "the registry reads three numbers and no others"
    assert required_front_end(comfy_checkout) in supported
    assert "1.27.10" in listed("constraints.txt")[FRONT_END].specifier


def test_the_range_of_comfyui_holds_those_that_are_tested(settings: dict[str, Any], comfy_checkout: Path) -> None:
    found = re.search(r'__version__ = "([\d.]+)"', (comfy_checkout / "comfyui_version.py").read_text(encoding="utf-8"))
    assert found, "no version"
    assert found[1] in SpecifierSet(settings["tool"]["comfy"]["requires-comfyui"])


def test_everything_that_is_installed_is_pinned(needs: dict[str, Requirement]) -> None:
    pinned = set(listed("constraints.txt"))
    assert {name.lower() for name in needs} <= pinned
    tested = [name for name in listed("requirements-comfyui-test.txt") if name not in pinned]
    assert not tested, "requirements-comfyui-test.txt names what constraints.txt does not pin"


def test_the_changelog_begins_with_this_version(settings: dict[str, Any]) -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$", text, re.MULTILINE)
    assert releases[0][0] == settings["project"]["version"]
    assert [date for _, date in releases] == sorted((date for _, date in releases), reverse=True)
    assert len(releases) == len(re.findall("^## ", text, re.MULTILINE)), "a heading that is no release"
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= SECTIONS
    assert all(f"\n[{version}]: https://" in text for version, _ in releases)
