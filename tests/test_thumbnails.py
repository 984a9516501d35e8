"""The pictures of the templates: a card for the template browser, and one that brings its workflow to the canvas."""

import json
from pathlib import Path

import pytest
from PIL import Image

FOLDER = Path(__file__).resolve().parent.parent / "workflows"
FILES = sorted(FOLDER.glob("*.json"))
JPG_BYTES, PNG_BYTES = 60_000, 250_000


def test_there_are_no_others() -> None:
    pictures = {path.stem for kind in ("jpg", "png") for path in FOLDER.glob(f"*.{kind}")}
    assert pictures == {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_card_is_square_and_small(path: Path) -> None:
    card = path.with_suffix(".jpg")
    assert card.stat().st_size < JPG_BYTES
    with Image.open(card) as picture:
        assert picture.format == "JPEG" and picture.size == (512, 512)
        assert len(picture.resize((64, 64)).getcolors(64 * 64) or []) > 50, "the card is empty"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_picture_brings_its_workflow(path: Path) -> None:
    """As ComfyUI's Save Image writes it. It differs? `python tools/thumbnails.py` makes it anew."""
    drop = path.with_suffix(".png")
    assert drop.stat().st_size < PNG_BYTES
    with Image.open(drop) as picture:
        assert picture.format == "PNG" and min(picture.size) >= 512
        assert json.loads(picture.text["workflow"]) == json.loads(path.read_text(encoding="utf-8"))
