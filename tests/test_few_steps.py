"""TurboEdit and ChordEdit against their published formulas, and what they leave alone."""

import itertools

import pytest
import torch

from harness.edits import edit
from harness.networks import Mixture
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.delta import delta_edit
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.methods import EDITORS, EditJob
from latent_inversion.inversion_core.methods.chord_edit import chord_edit
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.quality.metrics import Count, Counted
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas, trailing
from latent_inversion.inversion_core.types import Cond

TABLE = scaled_linear_sigmas()
GRIDS = {"ve": (VE, trailing(TABLE, 5)), "rf": (RF, torch.linspace(1, 0, 6, dtype=torch.float64))}
SOURCE, TARGET, EMPTY = torch.full((1, 5, 4), 0.6), torch.full((1, 5, 4), -0.5), torch.zeros(1, 5, 4)


def picture(rows=2):
    return torch.randn(rows, 4, 8, 8, generator=torch.Generator().manual_seed(0)).double() * 0.5 + 0.4


def seeded(seed=7):
    return torch.Generator().manual_seed(seed)


def largest(x):
    return float(x.abs().max())


def turbo(family):
    path, sigmas = GRIDS[family]
    return invert(INVERSIONS["TurboEdit"], Mixture(path), picture(), sigmas, Cond(SOURCE), generator=seeded())


@pytest.mark.parametrize("family", GRIDS)
def test_turbo_edit_retraces_the_picture(family):
    path, sigmas = GRIDS[family]
    trajectory = turbo(family)
    for start in range(trajectory.steps):
        walk = replay(trajectory, Mixture(path), Cond(SOURCE), start=start)
        assert largest(walk.xs[-1] - picture()) < 1e-10
    generator = seeded()
    for x, (sigma, cleaner) in zip(trajectory.xs[:-2], itertools.pairwise(sigmas), strict=False):
        noise = torch.randn(picture().shape, generator=generator).double()
        shifted = path.add_noise(picture(), noise, cleaner) / path.input_scale(cleaner)
        assert largest(x / path.input_scale(sigma) - shifted) < 1e-10
    assert largest(trajectory.xs[-2] / path.input_scale(sigmas[-2]) - picture()) < 1e-10


@pytest.mark.parametrize("family", GRIDS)
@pytest.mark.parametrize(("weight", "prompt"), [(0.0, TARGET), (0.0, SOURCE), (1.5, SOURCE), (4.0, SOURCE)])
def test_turbo_edit_without_weight_or_with_the_source_prompt_changes_nothing(family, weight, prompt):
    path, sigmas = GRIDS[family]
    job = EditJob(Mixture(path), picture(), sigmas, Cond(SOURCE, EMPTY, 1.0), Cond(prompt, EMPTY, weight), strength=0.8)
    assert largest(EDITORS["TurboEdit"].edit(job, turbo(family)).target - picture()) < 1e-10
    changed = EditJob(Mixture(path), picture(), sigmas, Cond(SOURCE, EMPTY), Cond(TARGET, EMPTY, 1.5), strength=0.8)
    assert largest(EDITORS["TurboEdit"].edit(changed, turbo(family)).target - picture()) > 0.1


def literal_turbo_edit(sigmas, xs_noise, weight):
    """The published loop in variance-preserving latents, c = 1: DDPM's mean by its two coefficients, noise shifted one level."""
    abars = 1 / (1 + sigmas**2)
    noised = [abars[i + 1].sqrt() * picture() + (1 - abars[i + 1]).sqrt() * noise for i, noise in enumerate(xs_noise)]
    xs = [*noised, picture()]

    def mean(x, i, prompt):
        abar, after = abars[i], abars[i + 1]
        eps = (x - abar.sqrt() * Mixture()(x / abar.sqrt(), sigmas[i], Cond(prompt))) / (1 - abar).sqrt()
        clean = (x - (1 - abar).sqrt() * eps) / abar.sqrt()
        step = abar / after
        return after.sqrt() * (1 - step) / (1 - abar) * clean + step.sqrt() * (1 - after) / (1 - abar) * x

    edited = xs[0]
    for i in range(len(sigmas) - 1):
        ours, theirs = mean(edited, i, SOURCE), mean(edited, i, TARGET)
        edited = xs[i + 1] + (ours - mean(xs[i], i, SOURCE)) + weight * (theirs - ours)
    return edited


def test_turbo_edit_is_the_published_loop():
    """On SDXL-Turbo's grid of five steps entered at the second: time steps 799, 599, 399, 199."""
    sigmas = GRIDS["ve"][1][1:]
    trajectory = invert(INVERSIONS["TurboEdit"], Mixture(), picture(), sigmas, Cond(SOURCE), generator=seeded())
    generator = seeded()
    noise = [torch.randn(picture().shape, generator=generator).double() for _ in range(len(sigmas) - 1)]
    edited = edit(trajectory, Mixture(), Cond(SOURCE), Cond(TARGET, SOURCE, 1.5)).target
    assert largest(edited - literal_turbo_edit(sigmas, noise, 1.5)) < 1e-10


def chord(path, sigmas, source, target, count=None, **options):
    grid, rule = chord_edit(sigmas, **options)
    denoiser = Counted(Mixture(path), count or Count())
    return delta_edit(rule, denoiser, picture(), grid, source, target, generator=seeded()).target


@pytest.mark.parametrize("family", GRIDS)
def test_chord_edit_without_its_closing_pass_gives_the_picture_back_for_equal_prompts(family):
    path, sigmas = GRIDS[family]
    assert torch.equal(chord(path, sigmas, Cond(SOURCE), Cond(SOURCE), proximal=None), picture())
    assert largest(chord(path, sigmas, Cond(SOURCE), Cond(TARGET), proximal=None) - picture()) > 0.1


@pytest.mark.parametrize("proximal", [None, 0.3])
def test_chord_edit_is_the_published_step(proximal):
    """In variance-preserving latents, at the time steps of the grid's levels at 0.9, 0.75 and 0.3 of its time."""
    sigmas = leading(TABLE, 20)
    noise = torch.randn(picture().shape, generator=seeded()).double()

    def predicted(x, share, prompt):
        abar = 1 / (1 + sigmas[round((1 - share) * 20)] ** 2)
        z = abar.sqrt() * x + (1 - abar).sqrt() * noise
        return Mixture()(z / abar.sqrt(), ((1 - abar) / abar).sqrt(), Cond(prompt))

    far, near = (predicted(picture(), t, TARGET) - predicted(picture(), t, SOURCE) for t in (0.9, 0.75))
    edited = picture() + (0.15 * far + 0.9 * near) / 1.05
    edited = edited if proximal is None else predicted(edited, 0.3, TARGET)
    count = Count()
    ours = chord(VE, sigmas, Cond(SOURCE), Cond(TARGET), count, proximal=proximal)
    assert largest(ours - edited) < 1e-10
    assert count.evaluations == (4 if proximal is None else 5)


def test_chord_edit_runs_on_a_grid_of_one_step_and_refuses_times_outside_it():
    whole = torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert torch.isfinite(chord(RF, whole, Cond(SOURCE), Cond(TARGET))).all()
    for options in ({"time": 1.2}, {"window": -0.1}, {"proximal": 2.0}):
        with pytest.raises(ValueError, match="between 0 and 1"):
            chord_edit(whole, **options)


@pytest.mark.parametrize("name", ["TurboEdit", "ChordEdit"])
def test_the_editors_edit_with_the_settings_that_they_name(name):
    editor, denoiser = EDITORS[name], Mixture()
    settings = editor.settings["ve"]
    grid, target = trailing(TABLE, settings.steps), Cond(TARGET, EMPTY, settings.guidance)
    job = EditJob(denoiser, picture(), grid, Cond(SOURCE), target, strength=settings.strength)
    assert largest(EDITORS[name].edit(job, editor.invert(job)).target - picture()) > 0.1
