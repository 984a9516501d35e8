"""Every editor's promise: what it costs, and how near the picture it stays when nothing is to change."""

from dataclasses import dataclass

import pytest
import torch

from harness.networks import Mixture
from latent_inversion.inversion_core.methods import EDITORS, EditJob
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.quality.metrics import Count, Counted
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas
from latent_inversion.inversion_core.types import Cond


@dataclass(frozen=True)
class Promise:
    """`inversion` evaluations a step, `edit` evaluations a step (a guided pair is two), and the largest relative error
    of the target branch where its prompt is the source's, at the guidance of the test. The evaluations of what
    `stops_early` are bounds."""

    inversion: float
    edit: float
    identity: float
    stops_early: bool = False


LOST = 3.0  # what guidance does to this test's picture where nothing holds it

PROMISES = {
    "ddim": Promise(1, 4, LOST),
    "null-text": Promise(1, 4 + 12, 1.0, stops_early=True),
    "negative-prompt": Promise(1, 3, 0.35),
    "ProxNPI": Promise(1, 3, 0.25),
    "heun": Promise(2, 4 * 23 / 12, LOST),
    "midpoint": Promise(2, 8, LOST),
    "fireflow": Promise(1, 4 * 13 / 12, LOST),
    "dpmpp_2m": Promise(1, 4, LOST),
    "Uni-Inv": Promise(1, 4, LOST),
    "fixed-point": Promise(21, 4, LOST, stops_early=True),
    "AIDI": Promise(6, 4, LOST, stops_early=True),
    "ReNoise": Promise(11, 4, LOST, stops_early=True),
    "EDICT": Promise(4, 8, 1e-13),
    "BDIA": Promise(2, 4, 1e-13),
    "O-BELM": Promise(2, 4, 1e-13),
    "direct": Promise(1, 2, LOST),
    "DirectEdit": Promise(1, 2, LOST),
    "h-Edit-D": Promise(1, 5, 1.1),
    "h-Edit-R": Promise(1, 4, 1.1),
    "edit-friendly DDPM": Promise(2, 2, 0.85),
    "LEDITS++": Promise(1, 2, 0.85),
    "RF-Inversion": Promise(1, 2, LOST),
    "FlowEdit": Promise(0, 4, 1e-6),
    "FlowAlign": Promise(0, 3, 1e-6),
    "DDCM": Promise(0, 4, 1e-6),
    "Uni-Edit": Promise(1, 4, 3.5),
    "SteerFlow": Promise(1, 2, 1.6),
    "TurboEdit": Promise(1, 2, 1e-6),
    "ChordEdit": Promise(0, 10 / 12, 1.5),
}

PUBLISHED = {
    "FlowEdit": ("rf", 13.5, 3.5, 33 / 50, 50),
    "FlowAlign": ("rf", 13.5, 1.0, 1.0, 33),
    "DDCM": ("ve", 2.3, 1.0, 1.0, 12),
    "Uni-Edit": ("rf", 1.0, 1.0, 0.6, 15),
    "SteerFlow": ("rf", 6.5, 1.0, 1.0, 30),
    "DirectEdit": ("rf", 2.0, 1.0, 1.0, 30),
    "h-Edit-D": ("ve", 7.5, 1.0, 1.0, 50),
    "h-Edit-R": ("ve", 7.5, 1.0, 1.0, 50),
    "TurboEdit": ("ve", 1.5, 1.0, 0.8, 5),
    "ChordEdit": ("ve", 1.0, 1.0, 0.9, 50),
}
"""Guidance, the source's, strength and steps that the methods' published command lines run with, unless told otherwise;
ChordEdit's takes one step, whatever the grid."""

STEPS = 12
GRIDS = {
    "ve": (VE, leading(scaled_linear_sigmas(), STEPS)),
    "rf": (RF, torch.linspace(1, 0, STEPS + 1, dtype=torch.float64)),
}
SOURCE, TARGET, EMPTY = torch.full((1, 5, 4), 0.6), torch.full((1, 5, 4), -0.5), torch.zeros(1, 5, 4)
CASES = [(name, family) for name in EDITORS for family in GRIDS]


def job_for(family, count=None, *, target=TARGET, guidance=3.0, strength=1.0):
    path, sigmas = GRIDS[family]
    x0 = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.4
    denoiser = Counted(Mixture(path), count or Count())
    return EditJob(
        denoiser, x0, sigmas, Cond(SOURCE, EMPTY, guidance), Cond(target, EMPTY, guidance), strength=strength
    )


def distance(a, b):
    return float((a - b).square().mean().sqrt() / b.square().mean().sqrt())


def test_the_table_names_every_editor():
    assert PROMISES.keys() == EDITORS.keys()
    assert all(editor.about for editor in EDITORS.values())


@pytest.mark.parametrize(("name", "family"), CASES)
def test_costs(name, family):
    inversion, whole = Count(), Count()
    EDITORS[name].invert(job_for(family, inversion))
    EDITORS[name].edit(job_for(family, whole))
    promise = PROMISES[name]
    spent = (whole.evaluations - inversion.evaluations) / STEPS
    if promise.stops_early:
        assert inversion.evaluations <= promise.inversion * STEPS and spent <= promise.edit
    else:
        assert inversion.evaluations == pytest.approx(promise.inversion * STEPS, abs=2)
        assert spent == pytest.approx(promise.edit, abs=2 / STEPS)


@pytest.mark.parametrize(("name", "family"), CASES)
def test_the_source_prompt_gives_the_picture_back_as_well_as_promised(name, family):
    job = job_for(family, target=SOURCE)
    assert distance(EDITORS[name].edit(job).target, job.x0) <= PROMISES[name].identity


@pytest.mark.parametrize(("name", "family"), CASES)
def test_another_prompt_changes_the_picture_and_more_so_with_more_strength(name, family):
    jobs = [job_for(family, strength=strength) for strength in (0.3, 1.0)]
    edits = [EDITORS[name].edit(job).target for job in jobs]
    weak, strong = (distance(edited, job.x0) for edited, job in zip(edits, jobs, strict=True))
    assert 0 < weak < strong and all(torch.isfinite(edited).all() for edited in edits)


@pytest.mark.parametrize(("name", "family"), CASES)
def test_the_same_job_twice_gives_the_same_bits(name, family):
    assert torch.equal(EDITORS[name].edit(job_for(family)).target, EDITORS[name].edit(job_for(family)).target)


def test_a_trajectory_of_another_inversion_is_refused():
    trajectory = EDITORS["ddim"].invert(job_for("ve"))
    for name in ("EDICT", "heun", "edit-friendly DDPM"):
        with pytest.raises(ValueError, match=f"Invert the image with '{name}'"):
            EDITORS[name].edit(job_for("ve"), trajectory)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings_are_those_of_the_published_code(name):
    family, *wanted = PUBLISHED[name]
    settings = EDITORS[name].settings[family]
    assert [settings.guidance, settings.source_guidance, settings.strength, settings.steps] == wanted
