"""Trajectories as files and as pictures in a real ComfyUI: what a file tells, what the film strip shows, what is served."""

import io
import json
import urllib.error
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from harness.events import ExecutionFailed, Result
from harness.graph import Graph
from harness.server import ComfyServer
from harness.studio import Studio, pixels
from latent_inversion.inversion_core.files.file_head import load_header
from latent_inversion.inversion_core.files.trajectory_file import load_thumbnail

NEWEST = pytest.mark.newest_only("what a strip or a thumbnail shows is the pack's own drawing")


def save(server: ComfyServer, studio: Studio, prefix: str, *, workflow: Any = None, **inputs: Any) -> str:
    """Saves, as the front end does with its workflow, and returns the file's name in the output folder."""
    given = {"trajectory": studio.inverted, "filename_prefix": prefix}
    node = studio.graph.add("InversionSaveTrajectory", **given | inputs)
    extra = {"extra_pnginfo": {"workflow": workflow}} if workflow else {}
    body = {"prompt": studio.graph.prompt, "client_id": server.listener.client_id, "extra_data": extra}
    result = server.wait(server.post("/prompt", body)["prompt_id"])
    return result.outputs[node.id]["text"][0].removeprefix("saved ")


def shown_text(result: Result, node: str) -> dict[str, str]:
    (text,) = result.outputs[node]["text"]
    return {line[:16].strip(): line[16:] for line in text.splitlines()}


# The film strip


def test_the_strip_goes_from_picture_to_noise(comfy_server: ComfyServer, studio: Studio) -> None:
    view = studio.graph.add("InversionTrajectoryView", trajectory=studio.inverted, vae=studio.vae, frames=4)
    frames, histogram = (studio.graph.add("PreviewImage", images=view[number]) for number in (1, 2))
    encoded = studio.show(studio.latent)
    result = comfy_server.run(studio.graph.prompt)
    (strip,) = comfy_server.images(result, view.id)
    assert strip.width > strip.height
    film = [pixels(frame) for frame in comfy_server.images(result, frames.id)]
    assert len(film) == 4 and all(frame.shape == (128, 128, 3) for frame in film)
    assert np.abs(film[0] - pixels(comfy_server.images(result, encoded.id)[0])).max() <= 1, "it begins at the picture"
    away = [np.abs(frame - film[0]).mean() for frame in film]
    assert away == sorted(away) and away[-1] > 30, "and leaves it step by step"
    assert pixels(comfy_server.images(result, histogram.id)[0]).std() > 20
    facts = shown_text(result, view.id)
    assert facts["inversion"] == "ddim, 5 steps, guidance 1" and facts["image"] == "128 x 128"
    assert facts["model"] == "toybox" and facts["prompt"].startswith("a photo of")


@NEWEST
@pytest.mark.parametrize("show", ["expected pictures", "both"])
def test_what_the_model_expected_needs_no_model(comfy_server: ComfyServer, studio: Studio, show: str) -> None:
    view = studio.graph.add("InversionTrajectoryView", trajectory=studio.inverted, vae=studio.vae, frames=3, show=show)
    frames, encoded = studio.graph.add("PreviewImage", images=view[1]), studio.show(studio.latent)
    result = comfy_server.run(studio.graph.prompt)
    film = [pixels(frame) for frame in comfy_server.images(result, frames.id)]
    assert len(film) == (6 if show == "both" else 3)
    picture = pixels(comfy_server.images(result, encoded.id)[0])
    errors = [np.abs(frame - picture).mean() for frame in film[-3:]]
    assert errors[0] < 1 and errors == sorted(errors)
    if show == "both":
        assert errors[1] < np.abs(film[1] - picture).mean(), "it is a picture where the latent is noisy"


@NEWEST
def test_levels_that_were_drawn_one_by_one_have_no_slope(comfy_server: ComfyServer, studio: Studio) -> None:
    drawn = studio.graph.add(
        "InversionStochasticInvert",
        model=studio.model,
        latent=studio.latent,
        source=studio.source,
        steps=4,
        guidance=1.0,
    )
    studio.graph.add("InversionTrajectoryView", trajectory=drawn, vae=studio.vae, frames=3, show="expected pictures")
    with pytest.raises(ExecutionFailed, match=r"edit-friendly DDPM were drawn one by one.*'noisy latents'"):
        comfy_server.run(studio.graph.prompt)


@NEWEST
def test_a_picture_that_is_not_in_the_batch_is_named(comfy_server: ComfyServer, studio: Studio) -> None:
    studio.graph.add("InversionTrajectoryView", trajectory=studio.inverted, vae=studio.vae, index=1)
    with pytest.raises(ExecutionFailed, match="holds 1 image, numbered from 0; there is no image 1"):
        comfy_server.run(studio.graph.prompt)


# What a file tells


def test_a_file_tells_with_what_it_was_made(comfy_server: ComfyServer, another: Callable[..., Studio]) -> None:
    studio = another()
    workflow = {"nodes": [], "marker": "the graph that made it"}
    prompt = studio.graph
    source = prompt.add("CLIPTextEncode", clip=studio.clip, text="a photo of a bear")
    negative = prompt.add("CLIPTextEncode", clip=studio.clip, text="a fox")
    inverted = studio.invert(source=source, negative=negative, guidance=1.5, steps=3)
    name = save(comfy_server, studio, "made/told", trajectory=inverted, image=studio.scene, workflow=workflow)
    header = load_header(comfy_server.base / "output" / name)
    made, provenance = header.notes["made"], header.provenance
    assert (provenance.prompt, provenance.negative) == ("a photo of a bear", "a fox")
    assert provenance.checkpoint == "toybox" and provenance.loras == ()
    assert made["pack"] and made["created"].startswith("20")
    assert (header.steps, header.provenance.method, header.provenance.guidance) == (3, "ddim", 1.5)
    assert header.notes["frame"]["width"] == 128 and header.thumbnail == (128, 128)
    assert json.loads(header.texts["workflow"])["marker"] == "the graph that made it"


@NEWEST
def test_without_a_picture_the_thumbnail_is_drawn_from_the_latent(comfy_server: ComfyServer, studio: Studio) -> None:
    name = save(comfy_server, studio, "made/rough")
    thumbnail = load_thumbnail(comfy_server.base / "output" / name)
    assert thumbnail is not None and tuple(thumbnail.shape) == (256, 256, 3)
    small = np.asarray(Image.fromarray(thumbnail.numpy()).resize((8, 8), Image.Resampling.BOX), dtype=np.float64)
    seen = comfy_server.images(comfy_server.run(shown(studio)))[0].convert("RGB")
    picture = np.asarray(seen.resize((8, 8), Image.Resampling.BOX), dtype=np.float64)
    assert np.corrcoef(small.ravel(), picture.ravel())[0, 1] > 0.8, "its colours are the picture's"


def shown(studio: Studio) -> dict[str, Any]:
    studio.show(studio.latent)
    return studio.graph.prompt


@NEWEST
def test_a_large_picture_becomes_a_small_thumbnail(comfy_server: ComfyServer, studio: Studio) -> None:
    large = studio.graph.add("EmptyImage", width=1024, height=512)
    name = save(comfy_server, studio, "made/large", image=large)
    assert load_header(comfy_server.base / "output" / name).thumbnail == (128, 256)


def test_prompts_are_found_above_other_nodes_and_loras_are_named(comfy_server: ComfyServer, graph: Graph) -> None:
    studio = Studio(graph)
    plain = graph.add("PrimitiveString", value="a photo of a bear")
    one = graph.add("CLIPTextEncode", clip=studio.clip, text=plain)
    two = graph.add("CLIPTextEncode", clip=studio.clip, text="in the snow")
    joined = graph.add("ConditioningCombine", conditioning_1=one, conditioning_2=two)
    named = save(comfy_server, studio, "made/joined", trajectory=studio.invert(source=joined, steps=2))
    provenance = load_header(comfy_server.base / "output" / named).provenance
    assert provenance.prompt == "a photo of a bear\nin the snow" and provenance.negative == ""


# What is served


def served(server: ComfyServer, path: str) -> tuple[int, bytes]:
    try:
        return 200, server.request(f"/latent_inversion/{path}")
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_saved_files_are_listed_with_what_they_tell(comfy_server: ComfyServer, studio: Studio) -> None:
    name = save(comfy_server, studio, "served/listed", image=studio.scene, workflow={"nodes": []})
    status, body = served(comfy_server, "trajectories")
    file = f"{name} [output]"
    (card,) = [card for card in json.loads(body)["trajectories"] if card["file"] == file]
    assert status == 200 and card["thumbnail"] and card["workflow"] and not card["null_text"]
    assert (card["size"], card["steps"], card["method"]) == ([128, 128], 5, "ddim")
    assert card["prompt"].startswith("a photo of") and card["model"].startswith("toybox")
    query = file.replace(" ", "%20")
    assert json.loads(served(comfy_server, f"trajectories?file={query}")[1])["trajectories"] == [card]
    picture = Image.open(io.BytesIO(served(comfy_server, f"thumbnail?file={query}")[1]))
    assert picture.format == "PNG" and picture.size == (128, 128)
    assert json.loads(served(comfy_server, f"workflow?file={query}")[1]) == {"nodes": []}


@pytest.mark.parametrize(
    ("file", "status", "said"),
    [
        ("../../user/x.trajectory.safetensors [input]", 400, "leads out of"),
        ("/etc/passwd", 400, "leads out of"),
        ("x.safetensors [input]", 400, "not a trajectory file"),
        ("x.trajectory.safetensors [temp]", 400, "not in ComfyUI's output or input folder"),
        ("absent.trajectory.safetensors [input]", 404, "There is no trajectory file"),
        ("torn.trajectory.safetensors [input]", 422, "truncated"),
        ("bare.trajectory.safetensors [input]", 422, "some other safetensors file"),
    ],
)
def test_other_files_are_not_served(comfy_server: ComfyServer, file: str, status: int, said: str) -> None:
    folder = comfy_server.base / "input"
    (folder / "torn.trajectory.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    save_file({"a": torch.zeros(2)}, folder / "bare.trajectory.safetensors")
    (comfy_server.base / "user" / "x.trajectory.safetensors").write_bytes(b"")
    for route in ("thumbnail", "workflow"):
        answer = served(comfy_server, f"{route}?file={file.replace(' ', '%20')}")
        assert answer[0] == status
        error = json.loads(answer[1])["error"]
        assert said in error and str(comfy_server.base) not in error


def test_a_name_that_is_taken_gets_a_number_and_stays_a_trajectory(comfy_server: ComfyServer, studio: Studio) -> None:
    names = [save(comfy_server, another, f"up/{n}") for n, another in enumerate((studio,))]
    data = (comfy_server.base / "output" / names[0]).read_bytes()
    first, same = (comfy_server.upload("sent.trajectory.safetensors", data) for _ in range(2))
    other = comfy_server.upload("sent.trajectory.safetensors", data[:-1] + bytes([data[-1] ^ 1]))
    assert first == same == "sent.trajectory.safetensors" and other == "sent.trajectory (1).safetensors"
    for name in (first, other):
        loaded = studio.graph.add("InversionLoadTrajectory", file=f"{name} [input]")
        studio.graph.add("InversionTrajectoryView", trajectory=loaded, vae=studio.vae, frames=2)
    result = comfy_server.run(studio.graph.prompt)
    facts = shown_text(result, str(len(studio.graph.prompt)))
    assert facts["model"] == "toybox" and facts["prompt"].startswith("a photo of"), "the file tells them"
