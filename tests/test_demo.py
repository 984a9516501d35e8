"""The demo's files and figures, with few steps; and that its helpers draw what they are given."""

import json

import numpy as np
import pytest
from PIL import Image

from latent_inversion.command_line import main
from latent_inversion.command_line.commands.demo import CHOICE, SHOWN, demo_edits
from latent_inversion.pictures import faces
from latent_inversion.pictures.contact import LARGE, WIDTH, Pair, contact_sheet, small_side
from latent_inversion.pictures.drawing import wrap
from latent_inversion.pictures.sheet import CELL, GAP, Cell, sheet
from latent_inversion.toybox.weights import WEIGHTS
from latent_inversion.toybox.world import held_out_edits

FIGURES = ["edit_right", "psnr_inside", "psnr_outside"]
FIELDS = ["name", "source_prompt", "target_prompt", *FIGURES, "plain_ddim", "seconds"]
STEPS = 4
NEEDED = ("vae", "transformer", "text_encoder", "judge")


@pytest.mark.skipif(
    not all((WEIGHTS / f"{name}.safetensors").exists() for name in NEEDED), reason="the toybox has not been trained yet"
)
def test_the_demo_leaves_a_sheet_images_and_figures(tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--steps", str(STEPS)]) == 0
    report = json.loads((out / "report.json").read_text())
    assert list(report) == ["edits"]
    assert [edit["name"] for edit in report["edits"]] == list(SHOWN)
    for edit in report["edits"]:
        assert list(edit) == FIELDS and list(edit["plain_ddim"]) == FIGURES
    assert len(list(out.glob("*_before.png"))) == len(list(out.glob("*_after.png"))) == len(SHOWN) == 6
    assert Image.open(out / "demo.png").width == WIDTH
    printed = capsys.readouterr().out
    assert all(name in printed for name in SHOWN)
    assert printed.rstrip().endswith(str(out / "demo.png")), "the path of the sheet comes last"


def test_what_is_edited_was_held_out_and_is_the_first_of_its_change():
    for edit in demo_edits():
        assert edit == next(one for one in held_out_edits(CHOICE) if one.name == edit.name)


def test_a_contact_sheet_shows_each_image_large_and_its_comparisons_small():
    red, blue, green = (np.full((8, 8, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255), (0, 255, 0)))
    drawn = contact_sheet(
        "title", ["a line"], [Pair("one", red, blue, [green]), Pair("two", red, blue, [green])], "foot"
    )
    counts = [(drawn == one[0, 0]).all(-1).sum() for one in (red, blue, green)]
    assert counts[0] == counts[1] == 2 * LARGE**2
    assert drawn.shape[1] == WIDTH and 0 < counts[2] == 2 * small_side([Pair("", red, blue, [green])] * 2) ** 2
    assert (contact_sheet("title", [], [Pair("one", red, blue)], "") == red[0, 0]).all(-1).sum() == LARGE**2


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
