"""docs/api.md and the scripts in docs/examples do what they say."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

import latent_inversion as li
from harness import tiny_diffusion
from latent_inversion.pictures.files import to_pixels
from latent_inversion.toybox.world import held_out_edits, render

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
STEPS = 4


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are inverted in few steps, to be quick."""
    whole = li.Model.invert
    monkeypatch.setattr(li.Model, "invert", lambda *a, steps=STEPS, **o: whole(*a, **o, steps=STEPS))


def photo(path: Path) -> None:
    Image.fromarray(to_pixels(render([held_out_edits(8)[3].source]))).save(path)


def test_the_page_names_what_the_package_offers() -> None:
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert sorted(name for heading in headings for name in heading.split(", ")) == sorted(li.__all__)
    methods = {f"Model.{name}" for name in ("invert", "load_inversion")}
    methods |= {f"Inversion.{name}" for name in ("edit", "report", "reconstruct", "save")}
    assert all(f"`{name}(" in PAGE for name in methods)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("load", li.load),
        ("Model.invert", li.Model.invert),
        ("Model.load_inversion", li.Model.load_inversion),
        ("Inversion.edit", li.Inversion.edit),
        ("wrap_denoiser", li.wrap_denoiser),
        ("edit_latent", li.edit_latent),
    ],
)
def test_signatures_on_the_page_are_the_codes(name: str, function) -> None:
    from inspect import signature

    written = re.search(rf"`{re.escape(name)}\((.*?)\)( -> \w+)?`", PAGE, re.DOTALL)
    assert written, name
    parameters = list(signature(function).parameters.values())
    said = [part.strip() for part in re.sub(r"\s+", " ", written[1]).replace("words=()", "words=( )").split(", ")]
    wanted, keyword = [], False
    for one in parameters:
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and not keyword:
            wanted, keyword = [*wanted, "*"], True
        default = "" if one.default is one.empty else f"={one.default!r}".replace("'", '"').replace("()", "( )")
        wanted.append(f"{one.name}{default}")
    assert said == wanted


def test_the_examples_of_the_page_run_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: None) -> None:
    """One after another, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "photo.png")
    tiny_diffusion.write_pipeline(tmp_path / "folder")
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    names = {"li": li, "np": np, "torch": torch, "Image": Image, "StableDiffusionPipeline": StableDiffusionPipeline}
    assert len(blocks) == PAGE.count("\n## ") + 1
    for block in blocks:
        assert len(block.splitlines()) <= 8
        loaded = "from_pretrained" in block
        kept = dict(names)
        exec(block, names)
        if loaded:
            names = kept  # the page goes on with the toybox
    for name in ("purple.png", "sheet.png", "report.png"):
        assert Image.open(name).width >= 128


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], few: None
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = []
    if path.stem == "edit_a_folder":
        (tmp_path / "photos").mkdir()
        for name in ("a.png", "b.png"):
            photo(tmp_path / "photos" / name)
        (tmp_path / "photos" / "torn.png").write_bytes(b"none")
        arguments = ["photos", "a photo of a white bear", "a painting of a white bear"]
    monkeypatch.setattr(sys, "argv", [str(path), *arguments])
    runpy.run_path(str(path), run_name="__main__")
    said = capsys.readouterr().out
    assert {
        "edit_an_image": "edited.png and sheet.png: EditResult",
        "edit_a_folder": "torn.png cannot be read as an image",
        "own_denoiser": "FlowEdit",
    }[path.stem] in said


def test_an_own_denoiser_moves_what_the_prompt_moves(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "docs" / "examples" / "own_denoiser.py"), run_name="__main__")
    for line in capsys.readouterr().out.splitlines():
        left_x, left_y, right_x, right_y = map(float, re.findall(r"[-+]\d+\.\d+", line))
        assert max(abs(left_x), abs(left_y), abs(right_x)) < 0.3 and abs(right_y - 1.5) < 0.3, line


def test_no_folder_of_the_pack_is_taken_for_one_of_templates() -> None:
    """ComfyUI serves the first of these folders as the pack's templates: a second would hide workflows/."""
    names = ("example_workflows", "example", "examples", "workflow", "workflows")
    assert [name for name in names if (ROOT / name).exists()] == ["workflows"]
