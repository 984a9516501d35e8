"""The toybox world: scenes, drawings, captions, edits, video."""

import dataclasses
import random
import re

import pytest
import torch
from torch.nn.functional import grid_sample

from latent_inversion.toybox import world

SCENE_7 = ("rabbit", "black", "glasses", "red", "dotted", "meadow", "sunset", "sketch")
SCENE_7_CX = -0.17680043009011728


def test_a_seed_gives_the_same_scene_everywhere():
    scene = world.Scene.from_seed(7)
    assert scene == world.Scene.from_seed(7)
    assert scene != world.Scene.from_seed(8)
    told = (scene.animal, scene.fur, scene.accessory, scene.shirt, scene.pattern, scene.place, scene.time, scene.style)
    assert told == SCENE_7
    assert scene.cx == pytest.approx(SCENE_7_CX, abs=1e-12)


def test_replace_changes_what_it_names_only():
    scene = world.Scene.from_seed(3)
    night = scene.replace(time="night")
    assert dataclasses.replace(night, time=scene.time) == scene


@pytest.mark.parametrize("change", [{"weather": "rain"}, {"time": "noon"}, {"cx": "0"}])
def test_replace_refuses_what_the_world_does_not_have(change):
    with pytest.raises(ValueError):
        world.Scene.from_seed(3).replace(**change)


def test_training_never_shows_held_out_combinations():
    assert not any(world.is_held_out(world.training_scene(seed)) for seed in range(2000))
    share = sum(map(world.is_held_out, world.held_out_scenes(600))) / 600
    assert 0.1 < share < 0.25
    with pytest.raises(ValueError):
        world.training_scene(world.HELD_OUT_SEEDS)


def test_pictures_have_their_shape_and_range_whatever_the_batch():
    scenes = world.held_out_scenes(5)
    images = world.render(scenes)
    assert images.shape == (5, 3, world.SIZE, world.SIZE)
    assert images.dtype == torch.float32
    assert images.min() >= 0
    assert images.max() <= 1
    assert torch.allclose(images[2:3], world.render(scenes[2:3]), atol=1e-6)
    with pytest.raises(ValueError):
        world.render([])


@pytest.mark.parametrize("name", world.ATTRIBUTES)
def test_every_attribute_shows(name):
    scene = next(s for s in world.held_out_scenes(50) if s.style == "photo" and s.accessory == "glasses")
    pictures = world.render([scene.replace(**{name: value}) for value in world.ATTRIBUTES[name]])
    for first in range(len(pictures)):
        for second in range(first):
            assert (pictures[first] - pictures[second]).abs().amax() > 0.1


def test_the_canonical_caption_names_every_visible_attribute():
    for scene in world.held_out_scenes(40):
        words = world.caption(scene).replace(",", "").split()
        told = {name: value for name, value in scene.attributes().items() if value != "none"}
        if scene.accessory == "none":
            del told["accessory_color"]
        assert all(value in words for value in told.values())


def test_free_captions_vary_and_stay_within_the_vocabulary():
    rng = random.Random(0)
    scenes = [world.training_scene(seed) for seed in range(300)]
    captions = [world.caption(scene, rng) for scene in scenes]
    words = set(world.world_words())
    for line in captions:
        assert set(re.findall(r"[a-z]+|[,.:]", line)) <= words
    canonical = sum(line == world.caption(scene) for line, scene in zip(captions, scenes, strict=True))
    assert 100 < canonical < 220


def test_edits_are_balanced_deterministic_and_change_only_their_words():
    edits = world.held_out_edits(24)
    assert edits == world.held_out_edits(24)
    kinds = [edit.changed[0] for edit in edits]
    assert all(kinds.count(kind) == 3 for kind in world.KINDS)
    for edit in edits:
        assert len(edit.changed) == 1
        before, after = edit.source_caption.split(), edit.target_caption.split()
        if edit.changed == ("accessory",):
            gap = len(after) - len(before)
            assert any(after[:at] + after[at + gap :] == before for at in range(len(before)))
        else:
            assert len(before) == len(after)
            assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
    with pytest.raises(ValueError):
        world.held_out_edits(2, kinds=("weather",))


def test_the_edit_mask_is_where_the_pictures_differ():
    edit = world.held_out_edits(1, kinds=("shirt",))[0]
    mask = world.edit_mask(edit.source, edit.target)
    source, target = world.render([edit.source, edit.target])
    assert mask.dtype == torch.bool
    assert 0.03 < mask.float().mean() < 0.6
    assert (source - target).abs().amax(0)[~mask].amax() < 0.05
    assert not world.edit_mask(edit.source, edit.source).any()


def test_wearing_takes_the_shirt_and_nothing_else():
    scene, other = world.held_out_scenes(2)
    dressed = scene.wearing(other)
    assert (dressed.shirt, dressed.pattern, dressed.fold) == (other.shirt, other.pattern, other.fold)
    assert dressed.wearing(scene) == scene


def test_video_starts_at_the_scene_and_its_pixels_can_be_followed():
    scene = next(s for s in world.held_out_scenes(50) if s.style == "photo" and s.pattern == "dotted")
    frames = world.video_scenes(scene, 8)
    assert frames[0] == scene
    images = world.render_video(scene, 8)
    follow = world.true_correspondence(frames[0], frames[2])
    assert follow.flow.abs().amax() > 8  # pixels: it moves
    moved = grid_sample(images[2:3], follow.position[None], align_corners=False)[0]
    error = (moved - images[0]).abs().mean(0)[follow.visible].mean()
    assert error < 0.3 * (images[2] - images[0]).abs().mean()
    still = world.true_correspondence(scene, scene)
    assert still.visible.all()
    assert still.flow.abs().amax() < 1e-3
    with pytest.raises(ValueError):
        world.video_scenes(scene, 0)


def test_an_edited_video_moves_as_the_source_does():
    scene = world.Scene.from_seed(11).replace(time="day")
    edited = world.video_scenes(scene.replace(time="night"), 5)
    assert [frame.replace(time="day") for frame in edited] == world.video_scenes(scene, 5)
