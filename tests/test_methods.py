"""Direct, negative-prompt and null-text inversion: what each promises about the source branch."""

import math

import pytest
import torch

from harness.edits import edit
from harness.networks import AttentionNetwork, Mixture
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import unanchored
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.methods.negative_prompt import negative_prompt
from latent_inversion.inversion_core.methods.null_text import optimize_null_text
from latent_inversion.inversion_core.methods.with_null_text import with_null_text
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_refine
from latent_inversion.inversion_core.quality.metrics import Count, Counted
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas, window
from latent_inversion.inversion_core.techniques.prompt_to_prompt import prompt_to_prompt
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.inversion_core.types import Cond

SIGMAS = leading(scaled_linear_sigmas(), 10)
FLOW_SIGMAS = torch.linspace(0.98, 0, 11, dtype=torch.float64)
SOURCE, TARGET, EMPTY = torch.full((1, 5, 4), 0.6), torch.full((1, 5, 4), -0.5), torch.zeros(1, 5, 4)
GUIDED = Cond(SOURCE, EMPTY, 7.5)


def picture(seed=0, rows=2):
    return torch.randn(rows, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def inverted(denoiser, sigmas=SIGMAS, name="ddim"):
    return invert(INVERSIONS[name], denoiser, picture(), sigmas, Cond(SOURCE))


def rms(a, b):
    return float((a - b).square().mean().sqrt())


@pytest.mark.parametrize("name", INVERSIONS)
@pytest.mark.parametrize(("path", "sigmas"), [(VE, SIGMAS), (RF, FLOW_SIGMAS)], ids=["ve", "rf"])
def test_direct_source_branch_is_the_trajectory_bit_for_bit(name, path, sigmas):
    trajectory = inverted(Mixture(path), sigmas, name)
    edited = edit(trajectory, Mixture(path), GUIDED, Cond(TARGET, EMPTY, 7.5), anchor=direct)
    assert all(torch.equal(a, b) for a, b in zip(edited.source, trajectory.xs, strict=True))
    assert rms(edited.target, trajectory.xs[-1]) > 0.1


def test_plain_guided_replay_drifts_where_direct_does_not():
    trajectory = inverted(Mixture())
    edited = edit(trajectory, Mixture(), GUIDED, GUIDED)
    assert rms(edited.source[-1], trajectory.xs[-1]) > 0.2
    assert torch.equal(edited.source[-1], edited.target)
    assert torch.equal(edited.target, replay(trajectory, Mixture(), GUIDED).xs[-1])


def test_start_keeps_the_early_part_of_the_trajectory():
    trajectory = inverted(Mixture())
    late = edit(trajectory, Mixture(), GUIDED, Cond(TARGET, EMPTY, 7.5), anchor=direct, start=9)
    early = edit(trajectory, Mixture(), GUIDED, Cond(TARGET, EMPTY, 7.5), anchor=direct, start=0)
    assert rms(late.target, trajectory.xs[-1]) < rms(early.target, trajectory.xs[-1]) / 2
    for start in (-1, 10):
        with pytest.raises(ValueError, match="0 to 9"):
            edit(trajectory, Mixture(), GUIDED, GUIDED, start=start)


def test_direct_with_prompt_to_prompt_costs_three_evaluations_a_step():
    tokens = PromptTokens(tuple(Word(str(i), (i,)) for i in range(1, 4)), 5)
    whole = window(SIGMAS, 0, 1)
    technique = prompt_to_prompt(align_refine(tokens, tokens), cross=whole, self_attention=whole)
    trajectory = inverted(AttentionNetwork())
    costs = {}
    for name, anchor, techniques in (
        ("plain", unanchored, ()),
        ("direct", direct, ()),
        ("plain with attention", unanchored, (technique,)),
        ("direct with attention", direct, (technique,)),
    ):
        count = Count()
        edit(
            trajectory,
            Counted(AttentionNetwork(), count),
            GUIDED,
            Cond(TARGET, EMPTY, 7.5),
            anchor=anchor,
            techniques=techniques,
        )
        costs[name] = count.evaluations / trajectory.steps
    assert costs == {"plain": 4, "direct": 2, "plain with attention": 4, "direct with attention": 3}


def test_negative_prompt_source_branch_is_the_unguided_reconstruction():
    trajectory = inverted(Mixture())
    unguided = replay(trajectory, Mixture(), Cond(SOURCE)).xs[-1]
    for guidance in (2.0, 7.5):
        repaired = replay(trajectory, Mixture(), negative_prompt(Cond(SOURCE, EMPTY, guidance), Cond(SOURCE))).xs[-1]
        assert (repaired - unguided).abs().max() < 1e-4


@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
def test_null_text_never_ends_a_step_worse_and_beats_plain_ddim(path):
    sigmas = SIGMAS if path is VE else FLOW_SIGMAS
    trajectory = inverted(Mixture(path), sigmas)
    result = optimize_null_text(trajectory, Mixture(path), GUIDED)
    assert all(last <= first for first, last in zip(result.first, result.last, strict=True))
    assert any(last < first for first, last in zip(result.first, result.last, strict=True))
    plain = rms(replay(trajectory, Mixture(path), GUIDED).xs[-1], trajectory.xs[-1])
    repaired = rms(replay(trajectory, with_null_text(Mixture(path), result), GUIDED).xs[-1], trajectory.xs[-1])
    assert repaired < plain / 2


def test_null_text_replay_is_the_walk_it_was_optimised_on():
    seen = []
    trajectory = inverted(Mixture())
    result = optimize_null_text(trajectory, Mixture(), GUIDED, on_step=seen.append)
    replayed = replay(trajectory, with_null_text(Mixture(), result), GUIDED).xs[-1]
    assert (replayed - seen[-1].x).abs().max() < 1e-5
    assert result.evaluations == len(seen) + trajectory.steps
    assert [p.index for p in seen] == sorted(p.index for p in seen) and seen[-1].index < seen[-1].total


def test_null_text_stops_at_once_where_nothing_is_to_gain():
    trajectory = inverted(Mixture(), name="fixed point")
    neutral = Cond(SOURCE, SOURCE, 7.5)
    result = optimize_null_text(trajectory, Mixture(), neutral)
    assert result.evaluations == 2 * trajectory.steps
    assert all(torch.equal(e, SOURCE.expand(2, -1, -1)) for e in result.embeddings)


def test_null_text_of_a_batch_is_that_of_its_pictures():
    trajectory = inverted(Mixture())
    whole = optimize_null_text(trajectory, Mixture(), GUIDED, inner_steps=3)
    for row in range(2):
        xs = tuple(x[row : row + 1] for x in trajectory.xs)
        single = optimize_null_text(Trajectory(VE, SIGMAS, xs), Mixture(), GUIDED, inner_steps=3)
        assert all(
            torch.allclose(a[row : row + 1], b, atol=1e-6)
            for a, b in zip(whole.embeddings, single.embeddings, strict=True)
        )


def test_null_text_works_on_what_inference_mode_made():
    with torch.inference_mode():
        trajectory = inverted(AttentionNetwork())
        result = optimize_null_text(trajectory, AttentionNetwork(), GUIDED, inner_steps=2)
    assert any(last < first for first, last in zip(result.first, result.last, strict=True))


def test_null_text_cancels_between_inner_steps():
    class Cancelled(Exception):
        pass

    calls = []

    def on_step(progress):
        calls.append(progress.index)
        if len(calls) == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        optimize_null_text(inverted(Mixture()), Mixture(), GUIDED, on_step=on_step)
    assert len(calls) == 4


def test_null_text_refuses_what_it_cannot_do():
    trajectory = inverted(Mixture(), name="midpoint")
    with pytest.raises(ValueError, match="midpoint"):
        optimize_null_text(trajectory, Mixture(), GUIDED)
    with pytest.raises(ValueError, match="other than 1"):
        optimize_null_text(inverted(Mixture()), Mixture(), Cond(SOURCE))
    result = optimize_null_text(inverted(Mixture()), Mixture(), GUIDED, inner_steps=0)
    other = invert(INVERSIONS["ddim"], Mixture(), picture(), leading(scaled_linear_sigmas(), 7), Cond(SOURCE))
    with pytest.raises(ValueError, match="other noise levels"):
        replay(other, with_null_text(Mixture(), result), GUIDED)


def test_a_trajectory_of_the_other_family_is_refused():
    with pytest.raises(ValueError, match="noise path 've'"):
        replay(inverted(Mixture()), Mixture(RF), Cond(SOURCE))


def test_guidance_needs_an_unconditional_prompt():
    with pytest.raises(ValueError, match="unconditional"):
        Cond(SOURCE, None, 7.5)


def test_windows_are_spans_of_evaluated_levels():
    span = window(SIGMAS, 0.0, 0.4)
    inside = [float(s) in span for s in SIGMAS[:-1]]
    assert inside == [True] * 4 + [False] * 6
    assert not any(float(s) in window(SIGMAS, 0.3, 0.3) for s in SIGMAS)
    assert all(float(s) in window(SIGMAS, 0, 1) for s in SIGMAS[:-1])
    with pytest.raises(ValueError, match="between 0 and 1"):
        window(SIGMAS, 0, math.pi)
