"""What a trajectory's file keeps beside its tensors: notes, workflow, thumbnail; and the routes that serve them."""

import sys
from types import SimpleNamespace
from typing import Any

import comfy.latent_formats
import pytest
import torch

from latent_inversion.inversion_core.paths import VE
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.nodes.files import file_metadata as keepsake
from latent_inversion.nodes.files import routes, thumbnails
from latent_inversion.nodes.sockets import Frame, LatentTrajectory, Scale


def hidden(workflow: Any) -> Any:
    prompt = {
        "1": {"class_type": "Invert", "inputs": {"source": ["2", 0]}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a bear"}},
        "3": {"class_type": "Save", "inputs": {"trajectory": ["1", 0]}},
    }
    return SimpleNamespace(prompt=prompt, unique_id="3", extra_pnginfo={"workflow": workflow})


def test_prompt_and_workflow_are_kept_unless_comfyui_was_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    notes, texts = keepsake.told(hidden({"nodes": []}))
    assert notes["prompt"] == "a bear" and texts == {"workflow": '{"nodes": []}'} and notes["pack"].count(".") == 2
    monkeypatch.setattr(keepsake.args, "disable_metadata", True)
    notes, texts = keepsake.told(hidden({"nodes": []}))
    assert set(notes) == {"pack", "created"} and texts == {}


@pytest.mark.parametrize("workflow", [None, {}, {"text": "x" * keepsake.LONGEST}], ids=["none", "empty", "endless"])
def test_no_workflow_and_an_endless_one_are_left_out(workflow: Any) -> None:
    assert keepsake.told(hidden(workflow))[1] == {}
    assert keepsake.told(SimpleNamespace(prompt=None, unique_id=None, extra_pnginfo=None))[1] == {}


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
