"""Editing: several targets share one source pass, noise maps act on every branch, a target may have its own network and step."""

from dataclasses import replace

import pytest
import torch

from harness.edits import edit
from harness.networks import AttentionNetwork, Mixture
from latent_inversion.inversion_core.attention.technique import Pass, Reference, Technique
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import Edit, Target
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_refine
from latent_inversion.inversion_core.quality.metrics import Count, Counted
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas, window
from latent_inversion.inversion_core.solvers import euler
from latent_inversion.inversion_core.techniques.prompt_to_prompt import prompt_to_prompt
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.inversion_core.types import Cond

SIGMAS = leading(scaled_linear_sigmas(), 6)
SOURCE, TARGET, OTHER, EMPTY = (torch.full((1, 5, 4), value) for value in (0.6, -0.5, 0.2, 0.0))


def inverted(denoiser):
    x0 = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    return invert(INVERSIONS["ddim"], denoiser, x0, SIGMAS, Cond(SOURCE))


def guided(prompt):
    return Cond(prompt, EMPTY, 5.0)


def controlled():
    tokens = PromptTokens(tuple(Word(str(i), (i,)) for i in range(1, 4)), 5)
    whole = window(SIGMAS, 0, 1)
    return [prompt_to_prompt(align_refine(tokens, tokens), cross=whole, self_attention=whole)]


def test_targets_together_are_the_targets_one_by_one_at_the_price_of_one_source_pass():
    network, count, alone = AttentionNetwork(), Count(), Count()
    trajectory = inverted(network)
    targets = [Target(guided(TARGET), controlled()), Target(guided(OTHER), controlled()), Target(guided(OTHER))]
    together = Edit(trajectory, Counted(network, count), guided(SOURCE), targets, anchor=direct).run()
    for target, edited in zip(targets, together, strict=True):
        one = edit(
            trajectory,
            Counted(network, alone),
            guided(SOURCE),
            target.cond,
            anchor=direct,
            techniques=target.techniques,
        )
        assert torch.equal(one.target, edited.target)
    assert count.evaluations == (1 + 2 + 2 + 2) * trajectory.steps
    assert alone.evaluations == (3 + 3 + 2) * trajectory.steps


def test_a_target_may_have_its_own_network_and_step():
    trajectory, calls = inverted(Mixture()), []

    def watched(denoise, x, sigma, sigma_next, state):
        calls.append(float(sigma))
        return euler(denoise, x, sigma, sigma_next, state)

    count = Count()
    targets = [Target(guided(TARGET), step=watched, wrap=lambda d: Counted(d, count)), Target(guided(TARGET))]
    own, plain = Edit(trajectory, Mixture(), guided(SOURCE), targets).run()
    assert torch.equal(own.target, plain.target)
    assert calls == SIGMAS[:-1].tolist() and count.evaluations == 2 * trajectory.steps


@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
def test_noise_maps_are_added_on_every_branch(path):
    sigmas = SIGMAS if path is VE else torch.linspace(1, 0, 7, dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    xs = tuple(torch.randn(1, 2, 4, 4, generator=generator) for _ in sigmas)
    trajectory = Trajectory(path, sigmas, xs, noise=tuple(torch.ones_like(x) for x in xs[1:]))
    plain = Trajectory(path, sigmas, xs)
    step = replay(plain, Mixture(path), Cond(SOURCE)).xs[1] + 1
    assert torch.equal(replay(trajectory, Mixture(path), Cond(SOURCE)).xs[1], step)
    edited = edit(trajectory, Mixture(path), Cond(SOURCE), Cond(SOURCE))
    assert torch.equal(edited.source[1], step) and torch.equal(edited.target, edited.source[-1])


@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
def test_an_ancestral_step_keeps_the_marginal(path):
    """With the true clean latent, alpha' x0 + kept n + added z has the variance sigma'^2 around alpha' x0."""
    for sigma, sigma_next in ((0.9, 0.6), (0.5, 0.1), (0.3, 0.0)):
        levels = (torch.tensor(value, dtype=torch.float64) for value in (sigma, sigma_next))
        kept, added = path.ancestral(*levels)
        assert float(kept**2 + added**2) == pytest.approx(sigma_next**2, abs=1e-12)
        assert 0 <= kept <= sigma_next


def test_an_ancestral_step_of_rectified_flow_is_that_of_the_other_path_in_its_own_scale():
    """x_ve = x / (1 - s), sigma_ve = s / (1 - s): kept and added scale by 1 - s_next."""
    sigma, after = torch.tensor(0.8, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    flow = RF.ancestral(sigma, after)
    exploding = VE.ancestral(sigma / (1 - sigma), after / (1 - after))
    assert torch.allclose(torch.stack(flow), torch.stack(exploding) * (1 - after), atol=1e-12)


@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
def test_the_velocity_to_a_noise_is_the_derivative_of_the_path(path):
    x0, noise = torch.randn(2, 1, 2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sigma, h = torch.tensor(0.4, dtype=torch.float64), 1e-6
    x = path.add_noise(x0, noise, sigma)
    slope = (path.add_noise(x0, noise, sigma + h) - path.add_noise(x0, noise, sigma - h)) / (2 * h)
    assert torch.allclose(path.velocity_to(x, noise, sigma), slope, atol=1e-8)


def from_reference(trajectory, seen):
    """Keys and values of self-attention from another picture."""

    def record(bank, attend, q, k, v, site):
        seen.append(site.sigma)
        bank.record("reference", site, k, v)
        return attend(q, k, v)

    def inject(bank, attend, q, k, v, site):
        return attend(q, *bank.recall("reference", site.on("cond")))

    shown, used = (Pass("reference", lambda site: site.kind == "self", apply) for apply in (record, inject))
    return Technique(inject=used, reference=Reference(trajectory, Cond(SOURCE), shown))


def test_a_reference_is_shown_at_every_step_and_only_its_own_technique_sees_it():
    network, seen = AttentionNetwork(), []
    trajectory = inverted(network)
    trajectory = replace(trajectory, xs=replay(trajectory, network, Cond(SOURCE)).xs)
    other = replace(trajectory, xs=tuple(x.flip(0) for x in trajectory.xs))
    own, plain, same = Edit(
        trajectory,
        network,
        Cond(SOURCE),
        [
            Target(Cond(SOURCE), [from_reference(other, seen)]),
            Target(Cond(SOURCE)),
            Target(Cond(SOURCE), [from_reference(trajectory, [])]),
        ],
    ).run()
    assert seen == SIGMAS[:-1].tolist()
    assert torch.equal(same.target, plain.target) and not torch.allclose(own.target, plain.target, atol=1e-3)


def test_a_reference_on_another_grid_is_refused():
    trajectory = inverted(AttentionNetwork())
    short = replace(trajectory, sigmas=trajectory.sigmas[1:], xs=trajectory.xs[1:])
    with pytest.raises(ValueError, match="on the same noise levels"):
        edit(trajectory, AttentionNetwork(), Cond(SOURCE), Cond(TARGET), techniques=[from_reference(short, [])])
