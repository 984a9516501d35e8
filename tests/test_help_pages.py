"""Every node has a page in ComfyUI's help panel, and the page says what the node is: `web/docs/<node id>.md`.

    # <the name that is shown>
    What it does, in plain words; the picture `![...](pictures/<node id>.jpg)`; when to use it, when another node is better.
    ## Inputs       - `name` (default; what else is usual): what it is.
    ## Outputs      - `name that is shown`: what it is.
    ## Where it comes from
    ## When something looks wrong

The front end finds a page's pictures relative to `web/docs`, but does not translate the addresses of links; so the only
links are those to arXiv.
"""

import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.server import ComfyServer
from latent_inversion.nodes import NODES

DOCS = Path(__file__).resolve().parent.parent / "web" / "docs"
IDS = [name for names in NODES.values() for name in names]
SECTIONS = ["When to use it", "Inputs", "Outputs", "Where it comes from", "When something looks wrong"]
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
ARXIV = re.compile(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}")
ITEM = re.compile(r"- `([^`]+)`(?: \(([^)]+)\))?: \S")
KILOBYTE = 1000


@cache
def page(node: str) -> str:
    path = DOCS / f"{node}.md"
    assert path.is_file(), f"{node} has no help page: write {path}"
    return path.read_text(encoding="utf-8")


def section(node: str, name: str) -> str:
    """What stands below a heading."""
    return page(node).split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]


def items(node: str, name: str) -> dict[str, str]:
    """The entries of a section by name, with what stands in brackets behind it."""
    lines = [line for line in section(node, name).splitlines() if line.startswith("- ")]
    found = [ITEM.match(line) for line in lines]
    assert all(found), f"{node}, {name}: not of the form - `name` (default): what it is\n" + "\n".join(
        line for line, match in zip(lines, found, strict=True) if not match
    )
    return {match[1]: match[2] or "" for match in found if match}


@pytest.mark.parametrize("node", IDS)
def test_a_page_has_its_parts_and_its_picture(node: str) -> None:
    text = page(node)
    headings = re.findall(r"^#+ .+$", text, re.MULTILINE)
    assert headings[0].startswith("# ") and headings[1:] == [f"## {one}" for one in SECTIONS]
    assert all(section(node, one).strip() for one in SECTIONS), "a section is empty"
    assert 35 <= len(text.splitlines()) <= 100, "as short as it can be, as long as it must be"
    beginning = text.split("\n## ", 1)[0]
    (about, path) = PICTURE.findall(beginning)[0]
    assert about and path == f"pictures/{node}.jpg", (
        "the picture above the first section has the node's name, and a description"
    )
    for _, other in PICTURE.findall(text):
        assert (DOCS / other).is_file(), f"there is no picture {other}"


@pytest.mark.parametrize("node", IDS)
def test_a_page_links_to_papers_only(node: str) -> None:
    wrong = [link for link in LINK.findall(page(node)) if not ARXIV.fullmatch(link)]
    assert not wrong, f"the help panel cannot follow {wrong}: name the other node as it is shown instead"
    assert "http" not in re.sub(ARXIV, "", page(node)), "an address that is not a link to arXiv"


def test_pages_and_pictures_belong_to_nodes_and_are_small() -> None:
    assert {path.stem for path in DOCS.glob("*.md")} <= set(IDS)
    pictures = sorted((DOCS / "pictures").iterdir())
    assert {path.name for path in pictures} <= {f"{node}.jpg" for node in IDS}
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.format == "JPEG" and 480 <= picture.width <= 960, f"{path.name} is {picture.width} wide"
        assert path.stat().st_size < 60 * KILOBYTE, f"{path.name} is large"
    assert sum(path.stat().st_size for path in pictures) < 1500 * KILOBYTE


def defaults(info: dict[str, Any]) -> dict[str, Any]:
    """The inputs of a node by name, with the value that a widget begins with; None where there is no such value."""
    inputs = info["input"].get("required", {}) | info["input"].get("optional", {})
    found = {}
    for name, (kind, *more) in inputs.items():
        options = more[0] if more else {}
        choices = kind if isinstance(kind, list) else options.get("options", [])
        found[name] = options.get("default", choices[0] if choices else None)
    return found


def tells(written: str, default: Any) -> bool:
    """Whether what stands in brackets begins with the default; texts and sockets need no value."""
    if isinstance(default, bool):
        return written.startswith("on" if default else "off")
    if isinstance(default, int | float):
        number = re.match(r"-?[\d.]+(?:e-?\d+)?", written)
        return bool(number) and math.isclose(float(number[0].rstrip(".")), default, rel_tol=1e-3, abs_tol=1e-9)
    return True


def test_pages_name_what_the_nodes_have(comfy_server: ComfyServer) -> None:
    infos, wrong = comfy_server.object_info(), []
    for node in (one for one in IDS if (DOCS / f"{one}.md").is_file()):  # another test tells which are not there
        info, inputs, outputs = infos[node], items(node, "Inputs"), items(node, "Outputs")
        wanted = defaults(info)
        if not page(node).startswith(f"# {info['display_name']}\n"):
            wrong.append(f"{node} is shown as {info['display_name']}")
        if set(inputs) != set(wanted):
            wrong.append(f"{node}: inputs that differ: {sorted(set(inputs) ^ set(wanted))}")
        if set(outputs) != set(info["output_name"]):
            wrong.append(f"{node}: outputs that differ: {sorted(set(outputs) ^ set(info['output_name']))}")
        told = [name for name in inputs.keys() & wanted.keys() if not tells(inputs[name], wanted[name])]
        wrong.extend(f"{node}: `{name}` ({inputs[name]}) begins with {wanted[name]!r}" for name in told)
    assert not wrong, "\n".join(wrong)
