"""What the command line says of an edit: the verdict by the same thresholds as the nodes, what cannot be, and a comparison that failed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness import tiny_diffusion, tiny_flow
from latent_inversion.command_line import main
from latent_inversion.command_line.verdict import SENTENCES, of_clip, sentence, told, verdicts
from latent_inversion.inversion_core.applications import ranking
from latent_inversion.inversion_core.loops.edit import Edited
from latent_inversion.inversion_core.methods import EDITORS, EditJob
from latent_inversion.inversion_core.quality.verdict import Outcome, judge, kind
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.pictures.files import to_pixels
from latent_inversion.toybox.world import caption, held_out_scenes, render

FAST = ["--steps", "3", "--quiet", "--device", "cpu"]
PROMPTS = ["--source", "a photo of a cat", "--target", "a photo of a dog"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_diffusion.write_pipeline(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("flow")
    return str(tiny_flow.write_pipeline(folder / "sd3", "StableDiffusion3Pipeline", tiny_flow.sd3_parts(folder)))


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(pixels).save("photo.png")
    return "photo.png"


def test_a_sheet_lies_beside_the_edit_or_where_it_is_named(
    photo: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit = ["edit", photo, "--model", model, *PROMPTS, *FAST]
    assert main([*edit, "--sheet"]) == 0 and Path("photo.edited.sheet.png").exists()
    for said in ("", " (replaced)"):
        capsys.readouterr()
        assert main([*edit, "-o", "new.png", "--sheet", "seen.png"]) == 0
        assert f"seen.png{said}\n" in capsys.readouterr().out
    assert Image.open("seen.png").width > 3 * Image.open("new.png").width


def test_an_edit_prints_the_verdict_of_its_own_pictures(
    photo: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["edit", photo, "--model", model, *PROMPTS, *FAST]) == 0
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if line.startswith("verdict"))
    assert (
        line.removeprefix("verdict").strip().split(" ")[0]
        in {text.split(" ")[0].split("%")[0] for text in SENTENCES.values()}
        or "%" in line
    )
    assert "nothing like" in line or "cannot represent" in line, "a network of random weights keeps no picture"
    assert "reconstruction" in out


def test_every_outcome_and_kind_has_its_words() -> None:
    picture = (
        torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        .repeat_interleave(8, 2)
        .repeat_interleave(8, 3)
    )
    other = picture.roll(4, 3)
    flat = torch.full_like(picture, 0.2)
    found = [
        judge(picture, picture)[0],
        judge(picture, 0.5 * picture, 0.5 * picture)[0],
        judge(picture, flat)[0],
        judge(picture, flat, flat)[0],
        judge(picture, 1 - picture)[0],
        judge(picture, 0.25 * picture + 0.75 * other)[0],
        judge(flat, flat + 0.5)[0],
    ]
    assert {kind(one) for one in found} == set(SENTENCES)
    assert len({ranking.found(outcome, True, 0.9) for outcome in Outcome.__args__}) == len(Outcome.__args__)
    assert len({sentence(one) for one in found}) == len(SENTENCES)
    assert of_clip([found[0], found[0], found[2]]).endswith("(so 2 of 3 frames)")


@pytest.mark.parametrize(
    ("time", "said"), [("night", "right: the change is there (time: night);"), ("day", "not right:")]
)
def test_of_the_toyboxs_edits_it_says_whether_the_change_is_there(time: str, said: str) -> None:
    scene = next(scene for scene in held_out_scenes(40) if (scene.time, scene.style) == ("day", "photo"))
    before, shown = (to_pixels(render([one]), (128, 128)) for one in (scene, scene.replace(time=time)))
    brighter = np.minimum(1.3 * before, 255).astype(np.uint8)  # a change that the figures take for an edit
    after = shown if time == "night" else brighter
    (verdict,) = verdicts([before], [after])
    words = caption(scene), caption(scene.replace(time="night"))
    assert verdict.outcome == "edited" and told(verdict, after, "toybox", *words).startswith(said)
    assert ("it shows day" in told(verdict, after, "toybox-flow", *words)) == (time == "day")
    assert told(verdict, after, "folder", *words) == sentence(verdict)


def test_the_command_line_judges_as_the_core() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 56, 3), np.uint8)
    other = 255 - pixels
    mask = np.zeros((40, 56), np.float32)
    mask[:20] = 1
    as_tensor = lambda one: torch.from_numpy(one.copy()).permute(2, 0, 1)[None].float() / 255  # noqa: E731
    region = torch.from_numpy(mask)[None, None]
    assert verdicts([pixels], [other], [pixels], mask) == judge(
        as_tensor(pixels), as_tensor(other), as_tensor(pixels), region
    )


@pytest.mark.parametrize("command", ["edit", "compare"])
def test_equal_descriptions_are_said_before_the_run(
    photo: str, model: str, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    same = ["--source", "a cat", "--target", "a cat"]
    methods = ["--methods", "direct"] if command == "compare" else []
    assert main([command, photo, "--model", model, *same, *methods, *FAST]) == 0
    assert "source and target are the same" in capsys.readouterr().err
    assert main([command, photo, "--model", model, *PROMPTS, *methods, *FAST]) == 0
    assert "are the same" not in capsys.readouterr().err


def test_a_region_that_is_nowhere_is_a_mistake(photo: str, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    same = ["--source", "a cat", "--target", "a cat", "--find-region"]
    assert main(["edit", photo, "--model", model, *same, *FAST]) == 2
    assert "finds no region" in capsys.readouterr().err


def test_a_comparison_in_which_every_method_failed_fails(
    photo: str, model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(job: EditJob, trajectory: Trajectory | None) -> Edited:
        raise ValueError("It does not fit.")

    for name in ("direct", "FlowEdit"):
        monkeypatch.setitem(EDITORS, name, replace(EDITORS[name], run=refuse))
    assert main(["compare", photo, "--model", model, *PROMPTS, "--methods", "direct", "FlowEdit", *FAST]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        "latent-inversion compare: No method could edit this image. direct: It does not fit.; FlowEdit: "
    )
    assert not Path("photo.methods/methods.png").exists()


def test_a_comparison_gives_the_verdict_on_each(photo: str, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", photo, "--model", model, *PROMPTS, "--methods", "direct", "FlowEdit", *FAST]) == 0
    rows, out = json.loads(Path("photo.methods/methods.json").read_text())["methods"], capsys.readouterr().out
    assert all(row["outcome"] in Outcome.__args__ and 0 <= row["changed"] <= 1 for row in rows)
    assert all(ranking.found(row["outcome"], row["arrived"], row["likeness"]) in out for row in rows)
    ranked = sorted(rows, key=lambda row: row["place"])
    standings = [(row["arrived"], row["likeness"]) for row in ranked]
    assert standings == sorted(standings, reverse=True)
    assert f"best first: 1st {ranked[0]['method']}, 2nd {ranked[1]['method']}" in out


# Models of few steps


@pytest.mark.parametrize(("family", "steps"), [("model", 4), ("flow", 8)])
def test_few_steps_set_guidance_and_steps(
    photo: str, family: str, steps: int, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = request.getfixturevalue(family)
    few = ["--model", folder, "--few-steps", "--quiet", "--device", "cpu"]
    assert main(["invert", photo, "--prompt", "a cat", *few]) == 0
    assert f"({steps} steps)" in capsys.readouterr().out
    assert main(["edit", photo, *PROMPTS, *few, "-o", "few.png"]) == 0
    assert main(["edit", photo, *PROMPTS, *few, "--guidance", "1", "-o", "one.png"]) == 0
    assert main(["edit", photo, *PROMPTS, *few, "--guidance", "5", "-o", "five.png"]) == 0
    few_png, one, five = (np.asarray(Image.open(f"{name}.png")).tobytes() for name in ("few", "one", "five"))
    assert few_png == one != five


def test_few_steps_compare_every_method_that_has_no_negative_prompt(photo: str, model: str) -> None:
    assert main(["compare", photo, "--model", model, *PROMPTS, "--few-steps", "--quiet", "--device", "cpu"]) == 0
    rows = json.loads(Path("photo.methods/methods.json").read_text())["methods"]
    assert [row["method"] for row in rows] == [name for name, editor in EDITORS.items() if not editor.uncond]
    assert not [row for row in rows if "refused" in row]
    assert {row["method"]: row["guidance"] for row in rows if row["guidance"] != 1} == {"TurboEdit": 1.5}


@pytest.mark.parametrize("wrong", [["--negative", "a dog"], ["--method", "null-text"], ["--method", "negative-prompt"]])
def test_few_steps_and_a_negative_description_are_a_mistake(
    photo: str, model: str, capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    assert main(["edit", photo, "--model", model, *PROMPTS, "--few-steps", *wrong, "--quiet"]) == 2
    assert "take no negative prompt" in capsys.readouterr().err


def test_every_method_runs_on_a_model_with_distilled_guidance(photo: str, tmp_path: Path) -> None:
    parts = tiny_flow.flux_parts(tmp_path)
    folder = str(tiny_flow.write_pipeline(tmp_path / "flux", "FluxPipeline", parts))
    assert main(["compare", photo, "--model", folder, *PROMPTS, *FAST]) == 0
    rows = {row["method"]: row for row in json.loads(Path("photo.methods/methods.json").read_text())["methods"]}
    assert not [row for row in rows.values() if "refused" in row]
    assert rows["FlowEdit"]["guidance"] == 5.5 and "edit-friendly DDPM" in rows
