"""`latent-inversion look`: maps over the picture and masks of words, of the toybox and of pictures of odd sizes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import tiny_diffusion
from latent_inversion.command_line import main
from latent_inversion.toybox.world import caption, edit_mask, held_out_scenes, render

FAST = ["--steps", "6", "--quiet", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_word_of_an_unseen_portrait_becomes_its_mask(folder, capsys):
    scene = next(scene for scene in held_out_scenes(9) if scene.style == "photo" and scene.shirt != "blue")
    Image.fromarray(np.rint(render([scene])[0].movedim(0, -1).numpy() * 255).clip(0, 255).astype(np.uint8)).save(
        "p.png"
    )
    given = [
        "look",
        "p.png",
        "--prompt",
        caption(scene),
        "--words",
        "shirt",
        f"{scene.fur} {scene.animal}",
        "--out",
        "o",
    ]
    assert main([*given, *FAST]) == 0
    assert Image.open("o/words.png").width > 3 * 256
    masks = [np.asarray(Image.open(f"o/{name}.png")) for name in ("01-shirt", f"02-{scene.fur}-{scene.animal}")]
    assert all(mask.shape == (128, 128) and set(np.unique(mask)) == {0, 255} for mask in masks)
    truth = edit_mask(scene, scene.replace(shirt="blue")).numpy()
    overlaps = [((mask > 0) & truth).sum() / ((mask > 0) | truth).sum() for mask in masks]
    assert overlaps[0] > 0.6 > overlaps[1]
    assert "01-shirt.png" in capsys.readouterr().out


def test_pictures_of_odd_sizes_get_masks_of_their_size(folder, tmp_path_factory, capsys):
    """A small random network: what it sees means nothing, but it has the layout of Stable Diffusion."""
    model = str(tiny_diffusion.write_pipeline(tmp_path_factory.mktemp("model")))
    pixels = np.random.default_rng(0).integers(0, 256, (121, 137, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("photo.png")
    given = ["look", "photo.png", "--model", model, "--prompt", "a photo of a cat, a hat", *FAST]
    assert main([*given, "--softness", "0.5", "--alone"]) == 0
    names = {path.name for path in Path("photo.words").iterdir()}
    assert names == {"words.png", "01-a.png", "02-photo.png", "03-of.png", "04-cat.png", "05-hat.png"}
    mask = np.asarray(Image.open("photo.words/04-cat.png"))
    assert mask.shape == (121, 137) and ((mask > 20) & (mask < 235)).any()
    assert main([*given, "--words", "zebra"]) == 2
    assert "no word 'zebra'. Its words are: a, photo" in capsys.readouterr().err


def test_words_of_every_script_are_masks_with_names_of_their_own(folder, tmp_path_factory, capsys):
    model = str(tiny_diffusion.write_pipeline(tmp_path_factory.mktemp("model")))
    Image.new("RGB", (64, 64), "teal").save("photo.png")
    given = ["look", "photo.png", "--model", model, *FAST]
    assert main([*given, "--prompt", "ein Mädchen, кот, 猫 t-shirt"]) == 0
    names = sorted(path.name for path in Path("photo.words").iterdir())
    assert names == ["01-ein.png", "02-mädchen.png", "03-кот.png", "04-猫.png", "05-t-shirt.png", "words.png"]
    assert main([*given, "--prompt", "แมวในหิมะ", "--words", "แมว", "--out", "thai"]) == 0
    assert Path("thai/01-แมว.png").exists() and "แมว" in capsys.readouterr().out
