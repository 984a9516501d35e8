"""Compare Methods answers which is best: ranked, named, marked, and the chosen one taken on."""

from typing import Any

import pytest
import torch

from latent_inversion.inversion_core.applications.compare import Compared
from latent_inversion.inversion_core.applications.ranking import best_first, place
from latent_inversion.inversion_core.methods import Settings
from latent_inversion.inversion_core.quality.verdict import Verdict
from latent_inversion.nodes.editing import compare_sheet
from latent_inversion.nodes.editing.compare import InversionCompare
from latent_inversion.nodes.toybox.loader import draw_edit
from latent_inversion.pictures.sheet import MARK
from latent_inversion.toybox.hosts.comfy_loader import load_comfy

METHODS = "direct, ddim, FlowEdit"


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    model, clip, vae = load_comfy("unet")
    image, source, target, truth, _ = draw_edit(23, "time: night")
    prompts = {
        name: clip.encode_from_tokens_scheduled(clip.tokenize(text))
        for name, text in {"source": source, "target": target, "negative": ""}.items()
    }
    fixed = {"steps": 6, "scheduler": "normal", "methods": METHODS, "seed": 0}
    return {"model": model, "vae": vae, "image": image, "truth": truth, **prompts, **fixed}


def run(given: dict[str, Any], **settings: Any) -> dict[str, Any]:
    with torch.inference_mode():
        result = InversionCompare.execute(**given | settings).result
    return dict(zip([one.id for one in InversionCompare.define_schema().outputs], result, strict=True))


def green(image: torch.Tensor) -> int:
    """The pixels of an IMAGE in the colour of the best."""
    return int((image * 255 - torch.tensor(MARK)).abs().amax(-1).lt(2).sum())


def test_with_the_truth_the_right_and_nearest_is_first(given: dict[str, Any]) -> None:
    out = run(given)
    lines = out["figures"].splitlines()
    assert [line.split(": ")[1].split(";")[0] for line in lines] == ["1st", "2nd", "3rd"]
    rows = [("right" in line, float(line.split(" dB from the true edit")[0].split()[-1])) for line in lines]
    assert rows == sorted(rows, reverse=True)
    names = [line.split(":")[0] for line in lines]
    assert sorted(names) == ["FlowEdit", "ddim", "direct"] and out["names"].splitlines() == names
    assert torch.equal(out["chosen"][0], out["images"][0])
    with torch.inference_mode():
        assert torch.allclose(given["vae"].decode(out["chosen_latent"]["samples"]), out["chosen"], atol=1e-4)
    assert green(out["sheet"]) > 3000 and out["labelled"].shape[1] > out["images"].shape[1]
    assert torch.equal(out["labelled"][:, :128], out["images"])


def test_without_the_truth_the_model_says_what_arrived(given: dict[str, Any]) -> None:
    figures = run(given, truth=None)["figures"]
    assert "the change is there" in figures and "% of the outlines kept" in figures and "true edit" not in figures


def test_the_chosen_one_is_named_by_place_or_method(given: dict[str, Any]) -> None:
    named, second = run(given, choose="FlowEdit"), run(given, choose="2nd", strength=0.5)
    place = named["names"].splitlines().index("FlowEdit")
    assert torch.equal(named["chosen"][0], named["images"][place])
    assert torch.equal(second["chosen"][0], second["images"][1]) and second["figures"].count("strength 0.5") == 3
    with pytest.raises(ValueError, match="no edit 'null-text' to choose"):
        run(given, choose="null-text")


def test_equal_prompts_bring_no_change(given: dict[str, Any]) -> None:
    out = run(given | {"target": given["source"]}, methods="direct, FlowEdit", truth=None)
    assert out["figures"].count("hardly there") + out["figures"].count("the same image") == 2


def test_a_change_that_arrived_goes_before_outlines_that_are_kept() -> None:
    def edit(name: str, likelier: float, likeness: float) -> compare_sheet.Shown:
        result = Compared(name, Settings(1, 1, 1, 28), None, likelier=likelier)
        return compare_sheet.Shown(result, torch.zeros(1, 8, 8, 3), Verdict("edited", 0.5, likeness, 20.0))

    edits = [edit("kept", -0.1, 0.9), edit("strong", 0.1, 0.5), edit("good", 0.1, 0.8)]
    assert [one.result.name for one in best_first(edits, lambda one: one.standing)] == ["good", "strong", "kept"]
    assert [place(number) for number in (0, 1, 2, 3, 10, 11, 20, 21)] == [
        "1st",
        "2nd",
        "3rd",
        "4th",
        "11th",
        "12th",
        "21st",
        "22nd",
    ]
