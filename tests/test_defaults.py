"""What comes out if nobody touches a setting: the change is there, and the rest is nearer to the truth than plain DDIM's.

`benchmarks/defaults.py` measures the same on more edits and steps.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from latent_inversion.api.models import TOYBOXES, load_studio
from latent_inversion.benchmarks.truth.baselines import ddim
from latent_inversion.benchmarks.truth.score import Score, means, scores
from latent_inversion.command_line import main
from latent_inversion.command_line.cases import World
from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.pictures.files import to_pixels, to_tensor
from latent_inversion.toybox.loaders import load_judge
from latent_inversion.toybox.world import KINDS, Edit, held_out_edits, render

EDITS = held_out_edits(2 * len(KINDS))
STEPS = 10


@pytest.mark.parametrize("model", TOYBOXES)
def test_every_kind_of_change_comes_through_and_the_rest_stays(model: str, tmp_path: Path) -> None:
    world = World(load_studio(model), load_judge())
    ours = torch.cat([edited(model, edit, tmp_path) for edit in EDITS])
    plain = ddim(world, EDITS, steps=STEPS, guidance=world.studio.guidance)
    found = [score for name, made in (("ours", ours), ("plain", plain)) for score in of(world, name, made)]
    wrong = [score["name"] for score in found if score["method"] == "ours" and not score["right"]]
    assert len(wrong) <= round(0.05 * len(EDITS)), wrong
    mean = means(found)
    assert mean["ours"]["outside"] > mean["plain"]["outside"], mean


def edited(model: str, edit: Edit, folder: Path) -> Picture:
    """The edit by the command line, with the two prompts alone."""
    photo, out = str(folder / "photo.png"), str(folder / "edited.png")
    Image.fromarray(to_pixels(render([edit.source]))).save(photo)
    prompts = ["--source", edit.source_caption, "--target", edit.target_caption]
    assert main(["edit", photo, *prompts, "--model", model, "--steps", str(STEPS), "-o", out, "--quiet"]) == 0
    return to_tensor(np.asarray(Image.open(out)))


def of(world: World, name: str, made: Picture) -> list[Score]:
    return scores(world.judge, name, 0, EDITS, made, seconds=0)
