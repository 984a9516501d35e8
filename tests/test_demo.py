"""The demo's files and figures, with few steps; and that its helpers draw what they are given."""

import json

import numpy as np
import pytest
from PIL import Image

from latent_inversion.command_line import main
from latent_inversion.pictures import faces
from latent_inversion.pictures.drawing import wrap
from latent_inversion.pictures.sheet import CELL, GAP, Cell, sheet
from latent_inversion.toybox.weights import WEIGHTS

FIELDS = [
    "name",
    "source_prompt",
    "target_prompt",
    "ceiling_psnr",
    "reconstruction_psnr",
    "edit_right",
    "psnr_inside",
    "psnr_outside",
    "evaluations",
    "seconds",
]
STEPS = 4
NEEDED = ("vae", "unet", "text_encoder", "judge")


@pytest.mark.skipif(
    not all((WEIGHTS / f"{name}.safetensors").exists() for name in NEEDED), reason="the toybox has not been trained yet"
)
def test_the_demo_leaves_sheets_and_figures(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "demo"), "--steps", str(STEPS)]) == 0
    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert list(report) == ["edits"]
    sheets = sorted((tmp_path / "demo").glob("*.png"))
    assert len(report["edits"]) == len(sheets) == 6
    for edit, path in zip(report["edits"], sheets, strict=True):
        assert list(edit) == FIELDS
        assert list(edit["reconstruction_psnr"]) == ["ddim", "null_text", "direct"]
        assert edit["reconstruction_psnr"]["direct"] == pytest.approx(edit["ceiling_psnr"], abs=0.01)
        assert edit["evaluations"] == STEPS + 3 * STEPS, "direct + Prompt-to-Prompt costs three evaluations a step"
        assert Image.open(path).width == 4 * (CELL + GAP) + GAP
    out = capsys.readouterr().out
    assert all(edit["name"] in out for edit in report["edits"])


def test_text_is_broken_to_fit_and_never_lost():
    text = "a few words and one-that-is-much-longer-than-a-cell-is-wide " * 3
    lines = wrap(text, CELL, 16)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(faces.face(16).getlength(line) <= CELL for line in lines)


def test_a_sheet_holds_its_pictures_below_their_titles():
    red = np.full((128, 128, 3), (255, 0, 0), np.uint8)
    drawn = sheet("title", ["a line"], [Cell("one", red, "note " * 30), Cell("two", red)])
    columns = (drawn == (255, 0, 0)).all(-1).sum(0)
    assert columns[GAP : GAP + CELL].min() == columns[GAP + CELL + GAP : -GAP].min() == CELL


@pytest.mark.parametrize(("word", "other"), [("schön", "schän"), ("кот", "дом"), ("γάτα", "ψάρι"), ("قطة", "كلب")])
def test_words_of_other_scripts_are_drawn_as_letters(word, other):
    """Letters that a typeface lacks all look alike."""
    if faces._face("DejaVuSans.ttf", 16) is None:
        pytest.skip("the typeface DejaVu Sans is not installed")
    shown = [np.asarray(faces.face(16, text).getmask(text)) for text in (word, other)]
    assert shown[0].shape != shown[1].shape or (shown[0] != shown[1]).any()
    pictures = [sheet("words", [text], [Cell("", np.zeros((8, 8, 3), np.uint8), text)]) for text in (word, other)]
    assert (pictures[0] != pictures[1]).any()


def test_english_keeps_its_typeface_and_what_no_typeface_has_is_drawn_all_the_same():
    assert faces.face(16, "a cat") is faces.face(16)
    assert faces.face(16, chr(0x10FFFD)).getlength(chr(0x10FFFD)) > 0
