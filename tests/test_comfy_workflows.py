"""The workflows that come with the pack: each fits the registered nodes in everything, and those of the toybox run."""

import copy
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from harness.server import ComfyServer
from harness.workflows import WorkflowError, api_prompt

FOLDER = Path(__file__).resolve().parent.parent / "workflows"
FILES = sorted(FOLDER.glob("*.json"))
TOYBOX = [path for path in FILES if "InversionToyboxLoader" in path.read_text(encoding="utf-8")]
OWN_PICTURES = [path for path in FILES if path not in TOYBOX]
"""For pictures of one's own, with models that are downloaded."""
BLUEPRINTS = FOLDER.parent / "subgraphs"
LOADERS = {
    "CheckpointLoaderSimple": "checkpoints",
    "UNETLoader": "diffusion_models",
    "CLIPLoader": "text_encoders",
    "DualCLIPLoader": "text_encoders",
    "VAELoader": "vae",
}
"""ComfyUI's nodes that load models, and the folder below `models` of each."""
PACK = "latent-inversion"
SHORT = {"steps": 5, "inner_steps": 2}
"""Fewer steps than the workflows have: here they need only run."""
NAMES = [
    "01 Start here - edit an image by words",
    "02 Start here as an app.app",
    "03 Edit your photo - Stable Diffusion 1.5",
    "04 Edit your photo - SDXL",
    "05 Edit your photo - Flux",
    "06 Edit your photo - Qwen-Image",
    "07 Edit your photo - Stable Diffusion 3.5",
    "08 Edit your video - Wan 2.1",
    "09 Change one place and keep the rest",
    "10 Take the style of another image",
    "11 Try on a shirt",
    "12 Edit a video clip",
    "13 See what each word looks at",
    "14 Let the edit find its own region",
    "15 Keep the structure with a ControlNet",
    "16 Which method is best for this image",
    "17 Edit without inversion - FlowEdit",
    "18 Invert once, edit many times",
    "19 How well does the inversion hold",
    "20 Inside - day to night, step by step",
    "21 Inside - null-text inversion",
    "22 Inside - null-text, Stable Diffusion 1.5",
    "23 Inside - exact and stochastic inversion",
]
"""From easy to hard; a file's name is the title that the template browser shows."""
PHOTOS = [name for name in NAMES if "Edit your" in name or "Stable Diffusion" in name]
WINDOW, MARGIN, READABLE = (1472, 786), 0.75, 0.6
"""What the front end of 0.3.64 has for the canvas on a laptop of 1536 x 864; how much of it a template fills; and the zoom below which text is hidden soon."""


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return path.stem


def every_node(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes on the canvas and those in subgraphs."""
    graphs = workflow.get("definitions", {}).get("subgraphs", [])
    return [*workflow["nodes"], *(node for graph in graphs for node in graph["nodes"])]


def box(node: dict[str, Any]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, without the title."""
    height = 0 if node["flags"].get("collapsed") else node["size"][1]
    return (*node["pos"], node["pos"][0] + node["size"][0], node["pos"][1] + height)


def test_there_are_workflows_for_every_way() -> None:
    assert [path.stem for path in FILES] == NAMES
    assert [path.stem for path in OWN_PICTURES] == PHOTOS
    assert not set("".join(NAMES)) & set(r'<>:"/\|?*#%'), "what Windows or an address takes amiss"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_it_is_laid_out_and_explained(path: Path) -> None:
    nodes = read(path)["nodes"]
    (note,) = (node["widgets_values"][0] for node in nodes if node["type"] == "MarkdownNote")
    assert len(note) > 200 and "Press **Run**" in note and len(note.split()) < 80, (
        "a few lines: what to press and change"
    )
    for number, (left, top, right, bottom) in enumerate(map(box, nodes)):
        for x0, y0, x1, y1 in map(box, nodes[:number]):
            assert right <= x0 or x1 <= left or bottom + 30 <= y0 or y1 + 30 <= top, "nodes lie on each other"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_it_opens_readable(path: Path) -> None:
    """Front ends fit all of a template into the window, and show no text below a zoom of 0.57."""
    workflow = read(path)
    sides = list(zip(*map(box, workflow["nodes"]), strict=True))
    wide, high = max(sides[2]) - min(sides[0]) + 20, max(sides[3]) - min(sides[1]) + 30 + 20
    assert MARGIN * min(WINDOW[0] / wide, WINDOW[1] / high) >= READABLE
    assert "ds" not in workflow["extra"], "the view would not be fitted"


@pytest.mark.parametrize("path", TOYBOX, ids=name_of)
def test_the_toybox_has_its_words_in_the_boxes_and_its_own_guidance(path: Path) -> None:
    workflow = read(path)
    assert not any(link[5] == "STRING" and link[1] in scenes(workflow) for link in workflow["links"])
    for node in every_node(workflow):
        if node["type"] in ("InversionEditSampler", "InversionVideoEdit"):
            guidance = node["widgets_values"][2 if node["type"] == "InversionEditSampler" else 0]
            assert guidance == (1.0 if "How well" in path.stem else 3.0)
        if node["type"] == "InversionEncode":
            assert node["widgets_values"][-1] == 0


def scenes(workflow: dict[str, Any]) -> set[int]:
    return {node["id"] for node in workflow["nodes"] if node["type"].startswith("InversionToybox")}


@pytest.mark.parametrize("path", OWN_PICTURES, ids=name_of)
def test_a_photo_is_scaled_to_what_the_model_likes(path: Path) -> None:
    most = 0.25 if "1.5" in path.stem else 0.38 if "Wan" in path.stem else 1.0
    encoders = [node for node in every_node(read(path)) if node["type"] == "InversionEncode"]
    assert encoders and all(node["widgets_values"][-1] == most for node in encoders)


def test_a_blueprint_within_a_template_is_the_blueprint() -> None:
    found = []
    for path in FILES:
        for graph in read(path).get("definitions", {}).get("subgraphs", []):
            if (BLUEPRINTS / f"{graph['name']}.json").is_file():
                (blueprint,) = read(BLUEPRINTS / f"{graph['name']}.json")["definitions"]["subgraphs"]
                assert shape(graph) == shape(blueprint), path.stem
                found.append(graph["name"])
    assert set(found) == {path.stem for path in BLUEPRINTS.glob("*.json")}


def shape(graph: dict[str, Any]) -> tuple[Any, ...]:
    """What a subgraph does, but for the values of its widgets."""
    links = [tuple(link.values()) for link in graph["links"]]
    ends = [[(slot["name"], slot["label"]) for slot in graph[side]] for side in ("inputs", "outputs")]
    return [(node["id"], node["type"]) for node in graph["nodes"]], links, ends


def test_one_opens_as_an_app() -> None:
    (path,) = (path for path in FILES if path.stem.endswith(".app"))
    workflow = read(path)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    app = workflow["extra"]["linearData"]
    assert workflow["extra"]["linearMode"]
    for number, name in app["inputs"]:
        assert name in [entry["widget"]["name"] for entry in nodes[number]["inputs"] if "widget" in entry]
    assert [nodes[number]["type"] for number in app["outputs"]] == ["SaveImage"]


def test_all_fit_the_schemas_and_need_nothing_but_this_pack(object_info: dict[str, Any]) -> None:
    wrong = {}
    for path in FILES:
        try:
            assert api_prompt(read(path), object_info)
        except WorkflowError as error:
            wrong[path.stem] = str(error)
        kinds = {node["type"] for node in every_node(read(path))} & object_info.keys()
        for kind in kinds:
            module = object_info[kind]["python_module"]
            if not (module == "nodes" or module.startswith("comfy_extras.") or PACK in module):
                wrong[f"{path.stem}, {kind}"] = module
    assert wrong == {}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_it_reads_from_left_to_right_and_ends_in_a_comparison(path: Path) -> None:
    workflow = read(path)
    spans = {node["id"]: (node["pos"][0], node["pos"][0] + node["size"][0]) for node in workflow["nodes"]}
    back = [link for link in workflow["links"] if spans[link[3]][1] <= spans[link[1]][0]]
    assert not back, "links lead to nodes that lie left of where they come from"
    assert any(node["type"] == "InversionBeforeAfter" for node in workflow["nodes"])


@pytest.mark.parametrize("path", OWN_PICTURES, ids=name_of)
def test_missing_models_come_with_their_address(path: Path) -> None:
    loaders = [node for node in read(path)["nodes"] if node["type"] in LOADERS]
    assert loaders
    for node in loaders:
        files = [value for value in node["widgets_values"] if str(value).endswith(".safetensors")]
        models = node["properties"]["models"]
        assert files and [model["name"] for model in models] == files
        for model in models:
            assert model["directory"] == LOADERS[node["type"]]
            assert model["url"].startswith("https://huggingface.co/") and model["url"].endswith("/" + model["name"])


def test_the_template_browser_finds_them(comfy_server: ComfyServer) -> None:
    names = comfy_server.get("/workflow_templates")[PACK]
    assert sorted(names) == [path.stem for path in FILES]
    for path in FILES:
        for kind in (".json", ".jpg"):  # what the front end asks for
            served = comfy_server.request(f"/api/workflow_templates/{PACK}/{quote(path.stem + kind)}")
            assert served == path.with_suffix(kind).read_bytes()


@pytest.mark.parametrize("path", TOYBOX, ids=name_of)
def test_it_runs(comfy_server: ComfyServer, object_info: dict[str, Any], path: Path) -> None:
    prompt = api_prompt(read(path), object_info)
    for node in prompt.values():
        node["inputs"] |= {name: value for name, value in SHORT.items() if name in node["inputs"]}
    result = comfy_server.run(prompt)
    sliders = {number for number, node in prompt.items() if node["class_type"] == "InversionBeforeAfter"}
    assert sliders <= set(result.outputs), "ComfyUI leaves out what it refuses, and runs the rest"
    pictures = comfy_server.images(result)
    assert pictures
    assert all(np.asarray(picture.convert("RGB")).std() > 5 for picture in pictures)


def broken(workflow: dict[str, Any], how: str) -> dict[str, Any]:
    workflow = copy.deepcopy(workflow)
    sampler = next(node for node in workflow["nodes"] if node["type"] == "InversionEditSampler")
    if how == "range":
        sampler["widgets_values"][2] = 1000.0
    elif how == "choice":
        sampler["widgets_values"][3] = "neither"
    elif how == "left over":
        sampler["widgets_values"].append(1)
    elif how == "link":
        workflow["links"][0][5] = "AUDIO"
    elif how == "node":
        sampler["type"] = "InversionOther"
    return workflow


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("range", "outside 1.0 to 30.0"),
        ("choice", "'neither', none of"),
        ("left over", "left over"),
        ("link", "is a AUDIO, but comes from"),
        ("node", "no node is called InversionOther"),
    ],
)
def test_the_check_is_strict(object_info: dict[str, Any], how: str, message: str) -> None:
    with pytest.raises(WorkflowError, match=message):
        api_prompt(broken(read(FOLDER / f"{NAMES[19]}.json"), how), object_info)
