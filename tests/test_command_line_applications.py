"""Style transfer and virtual try-on from the command line: the toybox's own pictures and a tiny model."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness import tiny_diffusion
from latent_inversion.api.models import load_toybox
from latent_inversion.command_line import main
from latent_inversion.command_line.batch import Making
from latent_inversion.command_line.style import BLANK, BY_ATTENTION, Look, Styling, Wish, style_words, transferred
from latent_inversion.command_line.try_on import Clothes, regions_of, target_words, try_on
from latent_inversion.inversion_core.applications.registration import Placement, registered
from latent_inversion.inversion_core.quality.metrics import psnr
from latent_inversion.pictures import files as pictures
from latent_inversion.toybox.world import HELD_OUT_SEEDS, Scene, caption, render
from latent_inversion.toybox.world.draw import SHIRT, layers

FAST = ["--steps", "3", "--quiet", "--device", "cpu"]
PERSON = Scene.from_seed(HELD_OUT_SEEDS + 23).replace(style="photo", time="day", shirt="red", pattern="plain")
GARMENT = Scene.from_seed(HELD_OUT_SEEDS + 41).replace(style="photo", time="day", shirt="blue", pattern="striped")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_diffusion.write_pipeline(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def studio():
    return load_toybox()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, scene in (("person", PERSON), ("garment", GARMENT), ("sketch", GARMENT.replace(style="sketch"))):
        pictures.write_picture(f"{name}.png", pictures.to_pixels(render([scene])))
    for name, scene in (("person", PERSON), ("garment", GARMENT)):
        Image.fromarray(255 * shirt(scene)[0, 0].numpy().astype(np.uint8)).save(f"{name}.mask.png")
    return tmp_path


def shirt(scene):
    return (layers([scene]) == SHIRT)[:, None].float()


def phrase(scene):
    return f"{scene.pattern} {scene.shirt} shirt"


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and the one line on stderr."""
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as exit:
        code = int(exit.code or 0)
    return code, capsys.readouterr().err


def test_a_style_by_words_and_by_a_picture_of_it(files, capsys):
    target = caption(PERSON).replace("a photo of", "a sketch of")
    assert main(["style", "person.png", "--source", caption(PERSON), "--target", target, *FAST]) == 0
    assert Image.open("person.styled.png").size == (128, 128)
    blank = ["--target", caption(PERSON).replace("a photo of", "a {} of"), "--style-source", "a {} of a cat"]
    given = ["style", "person.png", "--source", caption(PERSON), "--style-picture", "sketch.png", "-o", "read.png"]
    assert main([*given, *blank, *FAST]) == 0
    assert "a sketch of" in capsys.readouterr().out
    assert np.array_equal(np.asarray(Image.open("read.png")), np.asarray(Image.open("person.styled.png")))
    styled = [np.asarray(Image.open("read.png"))]
    for method in ([], ["--method", "StyleID"]):
        assert main([*given[:-1], "shown.png", *method, *FAST]) == 0
        styled.append(np.asarray(Image.open("shown.png")))
    assert not any(np.array_equal(*pair) for pair in combinations(styled, 2))


def test_try_on_by_words_and_by_masks(files):
    words = ["--source", caption(PERSON), "--clothing", phrase(PERSON), "--garment", phrase(GARMENT)]
    given = ["try-on", "person.png", "garment.png", *words, "--garment-source", caption(GARMENT), *FAST]
    assert main(given) == 0
    assert Image.open("person.dressed.png").size == (128, 128)
    masks = ["--mask", "person.mask.png", "--garment-mask", "garment.mask.png"]
    assert main([*given, *masks, "-o", "masked.png"]) == 0
    before, after = (np.asarray(Image.open(name)) for name in ("person.png", "masked.png"))
    inside = shirt(PERSON)[0, 0].bool().numpy()
    assert np.array_equal(before[~inside], after[~inside]), "outside of a mask every pixel stays"
    assert not np.array_equal(before[inside], after[inside])
    assert main([*given, *masks, "--attention-only", "-o", "attended.png"]) == 0
    assert not np.array_equal(np.asarray(Image.open("attended.png")), after)


def test_pictures_of_any_size_on_another_model(files, model):
    y, x = np.mgrid[0:21, 0:37] / 36
    Image.fromarray(np.rint(255 * np.stack([x, y, (x + y) / 2], -1)).astype(np.uint8)).save("odd.png")
    mask = np.zeros((21, 37), np.uint8)
    mask[8:, 10:30] = 255
    Image.fromarray(mask).save("odd.mask.png")
    masks = ["--mask", "odd.mask.png", "--garment-mask", "garment.mask.png"]
    assert main(["try-on", "odd.png", "garment.png", "--model", model, *masks, *FAST]) == 0
    assert Image.open("odd.dressed.png").size == (37, 21)
    shown = ["--style-picture", "sketch.png", "--style-source", "a cat", "--source", "a photo of a cat"]
    assert main(["style", "odd.png", "--model", model, *shown, *FAST]) == 0
    assert Image.open("odd.styled.png").size == (37, 21)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["style", "person.png", "--source", "a cat"], "There is no style"),
        (["style", "person.png", "--target", "a {} of a cat"], "There is no style"),
        (["style", "person.png", "--target", "a {} of a cat", "--style-picture", "sketch.png"], "--style-source"),
        (["try-on", "person.png", "garment.png", "--clothing", "shirt"], "--garment or --garment-mask"),
        (
            [
                "try-on",
                "person.png",
                "garment.png",
                "--source",
                "a cat",
                "--clothing",
                "hat",
                "--garment-mask",
                "garment.mask.png",
            ],
            "has no word 'hat'",
        ),
        (["try-on", "person.png", "none.png", "--clothing", "hat", "--garment", "hat"], "no image none.png"),
        (["try-on", "person.png", "garment.png", "--clothing", "hat"], "clothing is in garment.png"),
    ],
)
def test_mistakes_are_told_in_one_sentence(files, capsys, arguments, says):
    code, line = failed(capsys, *arguments, *FAST)
    assert code == 2 and says in line and "Traceback" not in line


def test_the_targets_words_are_put_together():
    person = Clothes(render([PERSON]), None, caption(PERSON), phrase(PERSON))
    garment = Clothes(render([GARMENT]), None, caption(GARMENT), phrase(GARMENT))
    assert target_words(person, garment) == caption(PERSON.replace(shirt="blue", pattern="striped"))
    assert target_words(Clothes(person.picture, words="a cat"), garment) == "a cat"


def test_a_region_is_found_by_its_words(studio):
    shown = [Clothes(render([one]), None, caption(one), phrase(one)) for one in (PERSON, GARMENT)]
    found = regions_of(studio, shown, Making(steps=8)) >= 0.5
    for mask, scene in zip(found, (PERSON, GARMENT), strict=True):
        truth = shirt(scene)[0].bool()
        assert float((mask & truth).sum() / (mask | truth).sum()) > 0.8


def test_a_garment_is_put_on_and_the_rest_kept(studio):
    """With true masks the shirt comes nearer to the truth by far, in the batch as alone."""
    person, garment = (Clothes(render([s]), shirt(s), caption(s), phrase(s)) for s in (PERSON, GARMENT))
    other = Clothes(render([PERSON]), torch.zeros(1, 1, 128, 128) + shirt(PERSON), caption(PERSON), phrase(PERSON))
    made = try_on(studio, [person, other], [garment, garment], making=Making(steps=8))
    pair = studio.decode(made.edited.target)
    truth = render([PERSON.wearing(GARMENT)])
    inside = shirt(PERSON).bool()
    before, after = (float(psnr(p, truth, inside)[0]) for p in (person.picture, pair[:1]))
    assert after > before + 4
    assert float(psnr(pair[:1], truth, ~inside)[0]) > 28
    assert torch.allclose(pair[:1], pair[1:], atol=1e-3)


def test_the_word_of_a_style_is_read_off_a_picture(studio):
    scenes = [GARMENT.replace(style=style) for style in ("sketch", "photo", "painting")]
    looks = [Look(render([scene]), f"a {BLANK} of a {scene.animal}") for scene in scenes]
    assert style_words(studio, looks, ("photo", "painting", "sketch"), Making(steps=10)) == [s.style for s in scenes]


def test_attention_may_be_added_to_words(studio):
    blank = caption(PERSON).replace("a photo of", f"a {BLANK} of")
    wish, look = Wish(render([PERSON]), caption(PERSON), blank), Look(render([GARMENT]), f"a {BLANK} of a cat")
    making = Making(steps=3)
    plain = transferred(studio, [wish], [look], making=making)
    assert plain.targets == [caption(PERSON)]
    for styling in (Styling(method="StyleID"), BY_ATTENTION):
        shown = transferred(studio, [wish], [look], styling=styling, making=making)
        assert shown.targets == plain.targets
        assert not torch.allclose(shown.edited.target, plain.edited.target, atol=1e-2)


@pytest.mark.parametrize(("size", "scale"), [((128, 128), 1.2), ((128, 160), 0.95)], ids=["square", "wide"])
def test_registration_finds_how_a_region_was_moved(size, scale):
    truth = Placement(scale, (0.1, -0.15), aspect=size[1] / size[0])
    y, x = np.mgrid[0:128, 0:128] / 64 - 1
    other = torch.tensor((np.hypot(x * 1.4, y) < 0.4) | (np.hypot(x - 0.3, y - 0.35) < 0.2)).float()[None, None]
    region = truth.of(other, size)
    found = registered(region, other)
    assert found.scale == pytest.approx(truth.scale, rel=0.02)
    assert found.shift == pytest.approx(truth.shift, abs=0.02) and found.aspect == pytest.approx(truth.aspect)
    with pytest.raises(ValueError, match="one of the masks is empty"):
        registered(region, torch.zeros(1, 1, 9, 9))
