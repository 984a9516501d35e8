"""Every method by its node in a real ComfyUI, on both of the toybox's models."""

from typing import Any

import pytest

from harness.events import ExecutionFailed
from harness.graph import Graph
from harness.server import ComfyServer, PromptRejected
from harness.studio import Studio, error_of
from latent_inversion.inversion_core.applications.ranking import place
from latent_inversion.inversion_core.methods import EDITORS, GROUPS

NEWEST = pytest.mark.newest_only(
    "what a method gives is the core's; that it runs on this ComfyUI, test_every_method_edits shows"
)

UNET, DIT = "UNet (v-prediction)", "DiT (rectified flow)"
INVERTS = {
    "InversionFixedPointInvert": ("AIDI", "ReNoise", "fixed point"),
    "InversionExactInvert": ("EDICT", "BDIA", "O-BELM"),
    "InversionStochasticInvert": ("edit-friendly DDPM", "TurboEdit", "LEDITS++"),
    "InversionRFInvert": ("RF-Inversion", "Uni-Inv"),
}
SOLVERS = ("ddim", "ddim current sigma", "Uni-Inv", "fixed point", "heun", "midpoint", "fireflow", "dpmpp_2m")
EDITS = {
    "InversionAnchoredEdit": ("anchoring",),
    "InversionGuidanceEdit": ("guidance",),
    "InversionExactEdit": ("exact",),
    "InversionStochasticEdit": ("stochastic", "few steps"),
    "InversionFlowControlEdit": ("flow control", "delta"),
}
FREE = [name for name, editor in EDITORS.items() if editor.inversion is None]
AS_SET = {"settings": "as set below"}


def make(server: ComfyServer, model: str) -> Studio:
    studio = Studio(Graph(server.object_info()), model=model)
    studio.on_unet = model == UNET
    return studio


def inverted_by(studio: Studio, method: str, **settings: Any) -> Any:
    """The trajectory of a method's node, at guidance 1."""
    node = next((node for node, methods in INVERTS.items() if method in methods), "InversionDDIMInvert")
    given = {"model": studio.model, "latent": studio.latent, "source": studio.source, "method": method}
    return studio.graph.add(node, **given | {"steps": 5, "guidance": 1.0, "scheduler": "normal"} | settings)


def edited_by(studio: Studio, name: str, **settings: Any) -> Any:
    """The edit of a method's node along a trajectory of its own inversion."""
    node = next(node for node, groups in EDITS.items() if any(name in GROUPS[group] for group in groups))
    given = {"model": studio.model, "source": studio.source, "target": studio.target, "negative": studio.negative}
    guidance = 1.0
    if name in GROUPS["exact"] and "source_guidance" not in settings:
        guidance = EDITORS[name].settings["ve"].source_guidance if studio.on_unet else 5.0
    given_trajectory = settings.pop("trajectory", None)
    trajectory = given_trajectory or inverted_by(
        studio, str(EDITORS[name].inversion), guidance=guidance, negative=studio.negative
    )
    return studio.graph.add(node, **given | {"trajectory": trajectory, "method": name} | settings)


def test_the_nodes_offer_every_method(comfy_server: ComfyServer) -> None:
    info = comfy_server.object_info()
    offered = {name for node in EDITS for name in info[node]["input"]["required"]["method"][1]["options"]}
    assert offered >= {name for name, e in EDITORS.items() if e.inversion is not None and name not in GROUPS["solvers"]}
    assert set(info["InversionFreeEdit"]["input"]["required"]["method"][1]["options"]) == set(FREE)


@NEWEST
@pytest.mark.parametrize("model", [UNET, DIT])
def test_every_inversion_makes_a_trajectory_that_leads_back(comfy_server: ComfyServer, model: str) -> None:
    """Anchored on the stored trajectory the source is exact; sampled at guidance 1 it comes near."""
    studio = make(comfy_server, model)
    exact, near = {}, {}
    for method in (*SOLVERS, "AIDI", "ReNoise", "EDICT", "BDIA", "O-BELM", "edit-friendly DDPM", "LEDITS++"):
        trajectory = inverted_by(studio, method)
        plain = studio.sample(trajectory=trajectory, target=studio.source, guidance=1.0, anchor="none")
        held = studio.sample(trajectory=trajectory, target=studio.source, guidance=1.0, anchor="direct")
        near[method] = studio.compare(plain[0], studio.latent)
        exact[method] = studio.compare(held[1], studio.latent)
    result = comfy_server.run(studio.graph.prompt)
    assert all(error_of(result, node) < 1e-6 for node in exact.values())
    errors = {method: error_of(result, node) for method, node in near.items()}
    retraced = ("EDICT", "BDIA", "O-BELM", "edit-friendly DDPM", "LEDITS++")
    assert not {method: errors[method] for method in retraced if errors[method] >= 1e-3}
    assert errors["fixed point"] < errors["ddim current sigma"]
    assert not {method: error for method, error in errors.items() if error >= 1}


@pytest.mark.parametrize("model", [UNET, DIT])
def test_every_method_edits(comfy_server: ComfyServer, model: str) -> None:
    studio = make(comfy_server, model)
    names = [name for name in EDITORS if name not in FREE and name not in GROUPS["solvers"]]
    nodes = {name: studio.compare(edited_by(studio, name)[0], studio.latent) for name in names}
    given = {"model": studio.model, "latent": studio.latent, "source": studio.source, "target": studio.target}
    for name in FREE:
        free = studio.graph.add("InversionFreeEdit", **given, negative=studio.negative, method=name, steps=5)
        nodes[name] = studio.compare(free, studio.latent)
    result = comfy_server.run(studio.graph.prompt)
    changes = {name: error_of(result, node) for name, node in nodes.items()}
    assert not {name: change for name, change in changes.items() if not 0.02 < change < 10}
    assert all(result.outputs[node.id]["finite"][0] for node in nodes.values())


@NEWEST
def test_the_source_prompt_changes_nothing_where_a_method_is_exact(comfy_server: ComfyServer) -> None:
    studio = make(comfy_server, UNET)
    weak = {"target": studio.source, **AS_SET, "guidance": 1.0, "source_guidance": 1.0}
    nodes = {
        name: studio.compare(edited_by(studio, name, **weak)[0], studio.latent)
        for name in ("DirectEdit", "EDICT", "BDIA", "O-BELM", "edit-friendly DDPM")
    }
    for name in ("FlowEdit", "DDCM"):
        given = {"model": studio.model, "latent": studio.latent, "source": studio.source, "negative": studio.negative}
        free = studio.graph.add("InversionFreeEdit", **given | weak, method=name, steps=5)
        nodes[name] = studio.compare(free, studio.latent)
    result = comfy_server.run(studio.graph.prompt)
    errors = {name: error_of(result, node) for name, node in nodes.items()}
    assert not {name: error for name, error in errors.items() if error >= 1e-3}


@NEWEST
def test_a_trajectory_of_another_inversion_is_refused(comfy_server: ComfyServer) -> None:
    studio = make(comfy_server, UNET)
    studio.show(edited_by(studio, "EDICT", trajectory=studio.inverted)[0])
    with pytest.raises(ExecutionFailed) as failed:
        comfy_server.run(studio.graph.prompt)
    message = failed.value.result.error["exception_message"]
    assert "Invert the image with 'EDICT'" in message


@NEWEST
@pytest.mark.parametrize("model", [UNET, DIT])
def test_all_methods_are_compared_on_one_page(comfy_server: ComfyServer, model: str) -> None:
    studio = make(comfy_server, model)
    given = {"model": studio.model, "vae": studio.vae, "image": studio.scene}
    words = {"source": studio.source, "target": studio.target, "negative": studio.negative}
    wanted = {} if model == UNET else {"methods": "direct, FlowEdit\nUni-Edit"}
    node = studio.graph.add("InversionCompare", **given, **words, steps=4, **wanted)
    text = comfy_server.run(studio.graph.prompt).outputs[node.id]["text"][0]
    names = list(EDITORS) if model == UNET else ["direct", "FlowEdit", "Uni-Edit"]
    assert sorted(line.split(":")[0] for line in text.splitlines()) == sorted(names)
    assert [line.split(": ")[1].split(";")[0] for line in text.splitlines()] == [place(n) for n in range(len(names))]
    assert all("evaluations" in line for line in text.splitlines()), text


@NEWEST
def test_an_unknown_method_is_refused_with_those_that_exist(comfy_server: ComfyServer) -> None:
    studio = make(comfy_server, UNET)
    given = {"model": studio.model, "vae": studio.vae, "image": studio.scene}
    words = {"source": studio.source, "target": studio.target, "negative": studio.negative}
    studio.graph.add("InversionCompare", **given, **words, methods="direct, magic")
    with pytest.raises(PromptRejected, match=r"no method 'magic'\. Choose from: ddim, "):
        comfy_server.run(studio.graph.prompt)


@NEWEST
def test_reconstructions_are_reported_side_by_side(comfy_server: ComfyServer) -> None:
    studio = make(comfy_server, UNET)
    pictures = []
    for method in ("ddim", "fixed point"):
        trajectory = inverted_by(studio, method)
        replayed = studio.sample(trajectory=trajectory, target=studio.source, guidance=1.0, anchor="none")
        pictures.append((studio.graph.add("InversionDecode", latent=replayed, vae=studio.vae), trajectory))
    first, second = pictures
    given = {"original": studio.scene, "reconstruction": first[0], "trajectory": first[1]}
    report = studio.graph.add("InversionReport", **given, reconstruction_2=second[0], trajectory_2=second[1])
    page = studio.graph.add("PreviewImage", images=report[2])
    result = comfy_server.run(studio.graph.prompt)
    assert comfy_server.images(result, page.id)[0].width > 3 * 256


@NEWEST
def test_refining_the_latent_raises_the_ceiling(comfy_server: ComfyServer) -> None:
    studio = make(comfy_server, UNET)
    ceilings = []
    for steps in (0, 6):
        latent = studio.graph.add("InversionEncode", image=studio.scene, vae=studio.vae, refine_steps=steps)
        studio.latent = latent
        trajectory = inverted_by(studio, "ddim")
        back = studio.graph.add("InversionDecode", latent=latent, vae=studio.vae)
        given = {"original": studio.scene, "reconstruction": back, "trajectory": trajectory}
        ceilings.append(studio.graph.add("InversionReport", **given, vae=studio.vae))
    result = comfy_server.run(studio.graph.prompt)
    texts = [result.outputs[node.id]["text"][0] for node in ceilings]
    plain, refined = (float(next(line for line in t.splitlines() if "ceiling" in line).split()[2]) for t in texts)
    assert refined > plain + 0.5
