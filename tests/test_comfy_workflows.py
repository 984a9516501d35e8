"""The workflows that come with the pack: each fits the registered nodes in everything, and those of the toybox run."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.server import ComfyServer
from harness.workflows import WorkflowError, api_prompt

FOLDER = Path(__file__).resolve().parent.parent / "workflows"
FILES = sorted(FOLDER.glob("*.json"))
TOYBOX = [path for path in FILES if "InversionToyboxLoader" in path.read_text(encoding="utf-8")]
OWN_PICTURES = ("null_text_sd15", "flow_edit_sd3", "edit_photo_sd15", "edit_photo_sdxl", "edit_photo_flux")
OWN_PICTURES += ("edit_photo_qwen_image", "edit_video_wan")
"""For pictures of one's own, with models that are downloaded."""
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


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return path.stem


def test_there_are_workflows_for_every_way() -> None:
    names = {path.stem for path in FILES}
    wanted = ("reconstruct_and_report", "ddim_prompt_to_prompt", "null_text_prompt_to_prompt", "direct_local_blend")
    wanted += ("compare_methods", "flow_edit", "exact_and_stochastic", "controlnet")
    wanted += ("see_words", "kv_edit", "style_from_picture", "try_on")
    wanted += ("video", "invert_once_edit_many")
    assert names == {f"latent_inversion_{name}" for name in (*wanted, *OWN_PICTURES)}
    assert len(TOYBOX) == len(wanted)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_it_is_laid_out_and_explained(path: Path) -> None:
    nodes = read(path)["nodes"]
    assert any(node["type"] == "MarkdownNote" and len(node["widgets_values"][0]) > 200 for node in nodes)
    boxes = [(*node["pos"], node["pos"][0] + node["size"][0], node["pos"][1] + node["size"][1]) for node in nodes]
    for number, (left, top, right, bottom) in enumerate(boxes):
        for x0, y0, x1, y1 in boxes[:number]:
            assert right <= x0 or x1 <= left or bottom + 30 <= y0 or y1 + 30 <= top, "nodes lie on each other"


def test_all_fit_the_schemas_and_need_nothing_but_this_pack(object_info: dict[str, Any]) -> None:
    wrong = {}
    for path in FILES:
        try:
            assert api_prompt(read(path), object_info)
        except WorkflowError as error:
            wrong[path.stem] = str(error)
        kinds = {node["type"] for node in read(path)["nodes"]} & object_info.keys()
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


@pytest.mark.parametrize("name", OWN_PICTURES)
def test_missing_models_come_with_their_address(name: str) -> None:
    loaders = [node for node in read(FOLDER / f"latent_inversion_{name}.json")["nodes"] if node["type"] in LOADERS]
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
            served = comfy_server.request(f"/api/workflow_templates/{PACK}/{path.stem}{kind}")
            assert served == path.with_suffix(kind).read_bytes()


@pytest.mark.parametrize("path", TOYBOX, ids=name_of)
def test_it_runs(comfy_server: ComfyServer, object_info: dict[str, Any], path: Path) -> None:
    prompt = api_prompt(read(path), object_info)
    for node in prompt.values():
        node["inputs"] |= {name: value for name, value in SHORT.items() if name in node["inputs"]}
    result = comfy_server.run(prompt)
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
        api_prompt(broken(read(FOLDER / "latent_inversion_ddim_prompt_to_prompt.json"), how), object_info)
