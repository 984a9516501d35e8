"""What a trajectory's file keeps beside its tensors: notes, workflow, thumbnail; and the routes that serve them."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import comfy.latent_formats
import pytest
import torch

from latent_inversion.inversion_core.files.file_head import load_header
from latent_inversion.inversion_core.files.trajectory_file import save
from latent_inversion.inversion_core.paths import VE
from latent_inversion.inversion_core.trajectory import Provenance, Trajectory
from latent_inversion.nodes.files import file_metadata, routes, thumbnails
from latent_inversion.nodes.files.file_metadata import metadata_of
from latent_inversion.nodes.sockets import Frame, LatentTrajectory, Scale


def hidden(workflow: Any) -> Any:
    prompt = {
        "1": {"class_type": "Invert", "inputs": {"source": ["2", 0]}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a bear"}},
        "3": {"class_type": "Save", "inputs": {"trajectory": ["1", 0]}},
    }
    return SimpleNamespace(prompt=prompt, unique_id="3", extra_pnginfo={"workflow": workflow})


def test_prompt_and_workflow_are_kept_unless_comfyui_was_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Provenance("0123", "ddim", 1.5)
    provenance, made, texts = metadata_of(known, hidden({"nodes": []}))
    assert provenance == replace(known, prompt="a bear")
    assert texts == {"workflow": '{"nodes": []}'} and made["pack"].count(".") == 2
    monkeypatch.setattr(file_metadata.args, "disable_metadata", True)
    provenance, made, texts = metadata_of(provenance, hidden({"nodes": []}))
    assert provenance == known and set(made) == {"pack", "created"} and texts == {}


NOTES = {"prompt": "a bear", "negative": "a fox", "model": "dream.safetensors", "loras": ["ink.safetensors"]}


@pytest.mark.parametrize("prompt", ["", "a cat"])
def test_files_of_earlier_versions_tell_the_same(tmp_path: Path, prompt: str) -> None:
    """They hold prompts, checkpoint and LoRAs in their notes, which went before a prompt in the provenance."""
    known = Provenance("0123", "ddim", 1.5, prompt)
    sigmas = torch.tensor([1.0, 0.0], dtype=torch.float64)
    kept = Trajectory(VE, sigmas, (torch.ones(1, 4, 8, 8),) * 2, provenance=known)
    save(kept, tmp_path / "old.safetensors", notes={"made": NOTES})
    told = file_metadata.provenance_in(load_header(tmp_path / "old.safetensors"))
    assert told == replace(
        known, prompt="a bear", negative="a fox", checkpoint="dream.safetensors", loras=("ink.safetensors",)
    )
    save(kept, tmp_path / "plain.safetensors")
    assert file_metadata.provenance_in(load_header(tmp_path / "plain.safetensors")) == known


@pytest.mark.parametrize("made", [None, 3, [], {"prompt": 3, "loras": "x", "model": None}, {"loras": [1, "a"]}])
def test_notes_of_another_kind_are_left_out(tmp_path: Path, made: Any) -> None:
    sigmas = torch.tensor([1.0, 0.0], dtype=torch.float64)
    save(Trajectory(VE, sigmas, (torch.ones(1, 4, 8, 8),) * 2), tmp_path / "t.safetensors", notes={"made": made})
    told = file_metadata.provenance_in(load_header(tmp_path / "t.safetensors"))
    assert (told.prompt, told.negative, told.checkpoint) == ("", "", "")
    assert all(isinstance(name, str) for name in told.loras)


@pytest.mark.parametrize(
    "workflow", [None, {}, {"text": "x" * file_metadata.LONGEST}], ids=["none", "empty", "endless"]
)
def test_no_workflow_and_an_endless_one_are_left_out(workflow: Any) -> None:
    for inputs in (hidden(workflow), SimpleNamespace(prompt=None, unique_id=None, extra_pnginfo=None)):
        assert metadata_of(Provenance(), inputs)[2] == {}


def record(form: Any, frame: Frame | None = None) -> LatentTrajectory:
    """A trajectory of a format's latents, in whose scale a bright half lies above a dark one."""
    room = [8, 6] if form.latent_dimensions == 2 else [2, 8, 6]
    channels = form.latent_channels
    x = torch.zeros(1, channels, *room)
    way = torch.tensor(form.latent_rgb_factors).sum(1).view(1, channels, *[1] * len(room))
    x[..., :4, :], x[..., 4:, :] = way / way.norm(), -way / way.norm()
    zero, one = (form.process_out(torch.full_like(x, level)).flatten(2)[0, :, 0] for level in (0.0, 1.0))
    sigmas = torch.tensor([1.0, 0.0], dtype=torch.float64)
    return LatentTrajectory(
        Trajectory(VE, sigmas, (x, x)), Scale(tuple((one - zero).tolist()), tuple(zero.tolist()), frame)
    )


@pytest.mark.parametrize("name", ["SD15", "SDXL", "SD3", "Flux", "Wan21", "HunyuanVideo", "Mochi"])
def test_a_latents_format_is_known_by_its_scale_and_drawn(name: str) -> None:
    form = getattr(comfy.latent_formats, name)()
    assert type(thumbnails.format_of(record(form))).__name__ == name
    picture = thumbnails.of_latent(record(form))
    assert picture is not None and tuple(picture.shape) == (256, 192, 3)
    assert picture[:100].float().mean() > picture[156:].float().mean() + 20
    cut = thumbnails.of_latent(record(form, Frame(32, 48, 64, 48)))
    assert cut is not None and tuple(cut.shape) == (171, 256, 3) and cut[120:].float().mean() > 100


def test_a_latent_of_no_known_format_has_no_thumbnail() -> None:
    known = record(comfy.latent_formats.SD15())
    assert thumbnails.of_latent(LatentTrajectory(known.trajectory, Scale((3.0,) * 4, (0.0,) * 4))) is None


def test_routes_are_added_once_and_only_to_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    from aiohttp import web

    without, table = SimpleNamespace(PromptServer=SimpleNamespace()), web.RouteTableDef()
    monkeypatch.setitem(sys.modules, "server", without)
    routes.register()
    running = SimpleNamespace(PromptServer=SimpleNamespace(instance=SimpleNamespace(routes=table)))
    monkeypatch.setitem(sys.modules, "server", running)
    routes.register()
    routes.register()
    assert [route.path for route in table] == [
        f"/latent_inversion/{n}" for n in ("trajectories", "thumbnail", "workflow")
    ]
