"""Subgraph blueprints: the server hands them out, they fit the registered nodes, and each edits a picture of the toybox."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.blueprints import definition_of, expanded
from harness.graph import Graph, Node
from harness.server import ComfyServer
from harness.workflows import WorkflowError

FOLDER = Path(__file__).resolve().parent.parent / "subgraphs"
FILES = sorted(FOLDER.glob("*.json"))
NAMES = ["Edit a photo by words", "Edit a video", "Edit inside a mask", "Style from an image", "Try on"]
TEMPLATES = {
    "Edit a photo by words": "03 Edit your photo - Stable Diffusion 1.5",
    "Edit a video": "12 Edit a video clip",
    "Edit inside a mask": "09 Change one place and keep the rest",
    "Style from an image": "10 Take the style of another image",
    "Try on": "11 Try on a shirt",
}
"""The template of the same task, for versions of ComfyUI without blueprints."""
DIALS = {"preset", "strength", "steps", "guidance", "max_megapixels"}
FEW = {"steps": 6}


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return path.stem


def test_there_is_one_for_every_task() -> None:
    assert [path.stem for path in FILES] == NAMES == sorted(TEMPLATES)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_its_node_shows_what_people_turn(path: Path) -> None:
    definition = definition_of(read(path))
    assert definition["name"] == path.stem and definition["category"] == "Latent Inversion"
    assert len(definition["description"]) > 40
    names = {slot["name"] for slot in definition["inputs"]}
    video = {"way", "steps", "guidance", "max_megapixels"}
    assert names >= {"model", "clip", "vae", "image", "source_prompt", "target_prompt"}
    assert names >= (video if path.stem == "Edit a video" else DIALS)
    assert {"edited", "reconstructed"} <= {slot["name"] for slot in definition["outputs"]}
    assert all(slot["label"] for slot in definition["inputs"] + definition["outputs"])


def test_the_server_hands_them_out(comfy_server: ComfyServer) -> None:
    if not (comfy_server.checkout / "app" / "subgraph_manager.py").is_file():
        listed = comfy_server.get("/workflow_templates")["latent-inversion"]
        assert set(TEMPLATES.values()) <= set(listed), "there templates do the same"
        return
    entries = comfy_server.get("/global_subgraphs")
    ours = {key: entry for key, entry in entries.items() if entry["info"]["node_pack"].endswith("latent-inversion")}
    assert sorted(entry["name"] for entry in ours.values()) == NAMES
    for key, entry in ours.items():
        served = comfy_server.get(f"/global_subgraphs/{key}")["data"]
        assert json.loads(served) == read(FOLDER / f"{entry['name']}.json")


def toybox(graph: Graph, name: str) -> dict[str, Any]:
    """What a blueprint is connected to: the toybox's model, a picture, and what else it asks for."""
    loader = graph.add("InversionToyboxLoader")
    given: dict[str, Any] = {"model": loader[0], "clip": loader[1], "vae": loader[2]} | FEW
    if name in ("Style from an image", "Try on"):
        style = name == "Style from an image"
        change = "in the other's style" if style else "wears the other's shirt"
        pair = graph.add("InversionToyboxPair", seed=57, other_seed=46 if style else 33, change=change)
        prompts = {"source_prompt": pair[1], "target_prompt": pair[4]}
        other = ("style_image", "style_prompt") if style else ("garment", "garment_prompt")
        return given | prompts | {"image": pair[0], other[0]: pair[2], other[1]: pair[3]}
    if name == "Edit a video":
        scene = graph.add("InversionToyboxVideo", seed=8, change="shirt: blue", frames=3)
    else:
        scene = graph.add("InversionToyboxScene", seed=8, change="shirt: blue")
    given |= {"image": scene[0], "source_prompt": scene[1], "target_prompt": scene[2]}
    return given | ({"mask": scene[4]} if name == "Edit inside a mask" else {})


def pictures(server: ComfyServer, graph: Graph, links: dict[str, Any]) -> dict[str, np.ndarray]:
    """What comes out on each link, `[frames, height, width, 3]` in 0..255."""
    shown: dict[str, Node] = {name: graph.add("PreviewImage", images=link) for name, link in links.items()}
    result = server.run(graph.prompt)
    return {
        name: np.stack([np.asarray(one.convert("RGB"), np.float64) for one in server.images(result, node.id)])
        for name, node in shown.items()
    }


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_it_edits_a_picture(comfy_server: ComfyServer, graph: Graph, path: Path) -> None:
    given = toybox(graph, path.stem)
    nodes, outputs = expanded(read(path), given, graph.object_info)
    graph.prompt |= nodes
    looks = {"before": given["image"], "edited": outputs["edited"], "reconstructed": outputs["reconstructed"]}
    out = pictures(comfy_server, graph, looks)
    strayed, changed = (np.abs(out[name] - out["before"]).mean() for name in ("reconstructed", "edited"))
    assert out["edited"].shape == out["before"].shape
    assert strayed < 12 and changed > 4, f"reconstructed strays by {strayed:.1f}, edited by {changed:.1f} of 255"
    if path.stem == "Edit inside a mask":
        mask = graph.add("MaskToImage", mask=given["mask"])
        region = pictures(comfy_server, graph, {"mask": mask[0]})["mask"] > 0
        assert np.array_equal(out["edited"][~region], out["before"][~region])


def broken(how: str) -> dict[str, Any]:
    blueprint = copy.deepcopy(read(FOLDER / "Edit a photo by words.json"))
    definition = blueprint["definitions"]["subgraphs"][0]
    sampler = next(node for node in definition["nodes"] if node["type"] == "InversionEditSampler")
    if how == "choice":
        sampler["widgets_values"][0] = "neither"
    elif how == "link":
        definition["links"][0]["type"] = "AUDIO"
    elif how == "shown":
        blueprint["nodes"][0]["inputs"].pop()
    elif how == "widget":
        blueprint["nodes"][0]["properties"]["proxyWidgets"][0][1] = "other"
    return blueprint


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("choice", "'neither', none of"),
        ("link", "is a AUDIO, but comes from"),
        ("shown", "the node shows the inputs"),
        ("widget", "shows a widget other"),
        ("given", "nothing is connected to model"),
    ],
)
def test_the_check_is_strict(comfy_server: ComfyServer, graph: Graph, how: str, message: str) -> None:
    given = toybox(graph, "Edit a photo by words")
    if how == "given":
        del given["model"]
    with pytest.raises(WorkflowError, match=message):
        expanded(broken(how), given, graph.object_info)
