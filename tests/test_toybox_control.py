"""The toybox's ControlNet: its pictures of edges, its low-rank file, and what it does for predictions."""

import random

import pytest
import torch
from torch import Tensor

from harness import toybox_ddim
from latent_inversion.toybox import control, latents, loaders, models, weights, world
from latent_inversion.toybox.training import control as train_control
from latent_inversion.toybox.training import denoising

SCENES = 24
LOOKS = ({"time": "night"}, {"time": "sunset", "style": "painting"}, {"fur": "ginger", "shirt": "purple"})


@pytest.fixture(scope="module")
def scenes() -> list[world.Scene]:
    return world.held_out_scenes(SCENES)


@pytest.fixture(scope="module")
def hints(scenes) -> Tensor:
    return control.edges(world.render(scenes))


def correlation(one: Tensor, other: Tensor) -> Tensor:
    one, other = (hint[:, 0].flatten(1) for hint in (one, other))
    one, other = (flat - flat.mean(1, keepdim=True) for flat in (one, other))
    return (one * other).sum(1) / (one.norm(dim=1) * other.norm(dim=1))


def test_edges_are_gray_pictures_of_the_same_size(hints):
    assert hints.shape == (SCENES, 3, 128, 128) and hints.min() == 0 and hints.max() == 1
    assert torch.equal(hints[:, :1].expand_as(hints), hints)
    assert torch.equal(hints, control.edges(world.render(world.held_out_scenes(SCENES))))
    assert control.edges(torch.rand(1, 3, 40, 72)).shape == (1, 3, 40, 72)


def test_a_step_is_a_line_and_a_flat_picture_has_none():
    picture = torch.zeros(1, 3, 64, 64)
    assert not control.edges(picture).any()
    picture[..., 32:] = 0.2
    columns = control.edges(picture)[0, 0].amax(0)
    assert columns[31:33].min() > 0.9 and not columns[:28].any() and not columns[36:].any()


def test_edges_do_not_change_with_the_light_and_the_colours(scenes, hints):
    photos = [scene.replace(style="photo", time="day") for scene in scenes]
    drawn = control.edges(world.render(photos))
    for look in LOOKS:
        other = control.edges(world.render([scene.replace(**look) for scene in photos]))
        assert correlation(drawn, other).mean() > 0.8
    strangers = correlation(hints, hints.roll(1, 0)).mean()
    assert strangers < 0.4


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8)])
def test_edges_of_what_is_no_picture_are_refused(shape):
    with pytest.raises(ValueError, match="pictures"):
        control.edges(torch.zeros(shape))


def test_changes_of_nothing_are_the_unets_own_encoder():
    torch.manual_seed(0)
    unet, network = models.build_unet(), control.build_control()
    state = control.control_state(unet.state_dict(), control.first_changes(network.state_dict()))
    theirs = type(network).from_unet(unet, conditioning_embedding_out_channels=control.HINT_WIDTHS).state_dict()
    assert state.keys() == theirs.keys()
    assert all(torch.equal(state[n], theirs[n]) for n in theirs if not n.startswith("controlnet_cond_embedding"))


def test_changes_add_to_the_unets_weights():
    torch.manual_seed(0)
    unet, network = models.build_unet(), control.build_control()
    changes = control.first_changes(network.state_dict())
    name = "down_blocks.1.resnets.0.conv1"
    changes[f"{name}.weight.up"] += 1.0
    changes[f"{name}.bias.diff"] += 2.0
    state, before = control.control_state(unet.state_dict(), changes), unet.state_dict()
    moved = (state[f"{name}.weight"] - before[f"{name}.weight"]).flatten(1)
    torch.testing.assert_close(moved, changes[f"{name}.weight.down"].sum(0).expand_as(moved))
    torch.testing.assert_close(state[f"{name}.bias"], before[f"{name}.bias"] + 2)


def test_a_hints_scene_has_the_shape_and_never_a_held_out_combination():
    rng, differ = random.Random(0), 0
    for seed in range(200):
        scene = world.training_scene(seed)
        other = train_control.hint_scene(scene, rng)
        assert not world.is_held_out(other)
        changed = {name for name in world.ATTRIBUTES if getattr(scene, name) != getattr(other, name)}
        assert len(changed & set(train_control.SHAPES)) <= 1
        assert (other.cx, other.tilt, other.plants) == (scene.cx, scene.tilt, scene.plants)
        differ += bool(changed)
    assert differ > 100


def test_the_training_lowers_its_loss_on_few_pictures(monkeypatch, tmp_path):
    """A few steps on pictures that it sees again and again; the UNet stays as it is."""
    monkeypatch.setattr(denoising, "BATCH", 8)
    monkeypatch.setattr(denoising, "SCENES", 8)
    monkeypatch.setattr(train_control, "SCENES", 8)
    data, drawn = denoising.captioned_latents(tmp_path, "cpu"), train_control.drawn_hints(tmp_path)
    assert drawn.shape == (8, 1, 128, 128) and drawn.dtype == torch.uint8
    assert torch.equal(train_control.drawn_hints(tmp_path), drawn)
    written = {}
    monkeypatch.setattr(train_control, "write_state", lambda tensors, name: written.update({name: dict(tensors)}))
    train_control.train_control(tmp_path, steps=2)
    fresh = control.first_changes(control.build_control().state_dict())
    assert written["controlnet"].keys() == fresh.keys()
    moved = [name for name in fresh if not torch.equal(written["controlnet"][name], fresh[name])]
    assert any(name.startswith("controlnet_down_blocks") for name in moved)
    assert len(data.latents) == 8


@pytest.fixture(scope="module")
def trained():
    if not (weights.WEIGHTS / "controlnet.safetensors").exists():
        pytest.skip("the toybox's ControlNet has not been trained yet")
    return loaders.load_control()


@torch.no_grad()
def test_the_hint_tells_the_network_where_things_are(trained, scenes, hints):
    """The error of the predicted clean latents: right hint, none, and another picture's."""
    toybox = loaders.load_diffusers()
    x0 = latents.encode(toybox.vae, world.render(scenes))
    prompts = toybox_ddim.encode_prompts(toybox, [world.caption(scene) for scene in scenes])
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))

    def error(t: int, hint: Tensor | None) -> float:
        alpha, sigma = (float(part) for part in models.signal_and_noise(torch.tensor(t)))
        x, residuals = alpha * x0 + sigma * noise, {}
        if hint is not None:
            down, middle = trained(x, t, prompts.cond, hint, return_dict=False)
            residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        v = toybox.unet(x, t, prompts.cond, **residuals).sample
        return float((alpha * x - sigma * v - x0).square().mean())

    for t in (999, 900):
        right, none, wrong = error(t, hints), error(t, None), error(t, hints.roll(7, 0))
        assert right < 0.8 * none < wrong
    assert error(100, hints) < 1.1 * error(100, None)
