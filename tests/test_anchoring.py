"""DirectEdit and h-Edit: exact where the target is the source, and their steps against the published formulas."""

import pytest
import torch

from harness.networks import AttentionNetwork, Mixture
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.inversions.ode import from_slope, from_zero
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import Edit, Target
from latent_inversion.inversion_core.loops.integrate import integrate, replay
from latent_inversion.inversion_core.methods.direct_edit import aligned, aligned_source
from latent_inversion.inversion_core.methods.h_edit import h_edit, h_edit_source
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_refine
from latent_inversion.inversion_core.quality.metrics import Count, Counted
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas, window
from latent_inversion.inversion_core.solvers import SOLVERS, ddim_inverse, euler, heun, midpoint
from latent_inversion.inversion_core.techniques.local_blend import local_blend
from latent_inversion.inversion_core.techniques.prompt_to_prompt import prompt_to_prompt
from latent_inversion.inversion_core.types import Bound, Cond

GRIDS = {"ve": (VE, leading(scaled_linear_sigmas(), 7)), "rf": (RF, torch.linspace(1, 0, 8, dtype=torch.float64))}
FAMILIES = pytest.mark.parametrize("family", GRIDS)
RULES = {"ddim": ddim_inverse, "ddim current sigma": from_slope(euler), "heun": from_zero(heun)}
RULES["midpoint"] = from_slope(midpoint)
SOURCE, TARGET, EMPTY = torch.full((1, 5, 4), 0.6), torch.linspace(-1, 0, 20).view(1, 5, 4), torch.zeros(1, 5, 4)


def picture():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 4, 8, 8, generator=generator, dtype=torch.float64) * 0.5 + 0.4


def inverted(denoiser, family, name="ddim", cond=None):
    return invert(INVERSIONS[name], denoiser, picture(), GRIDS[family][1], cond or Cond(SOURCE))


def error(a, b):
    return float((a - b).abs().max())


def run(trajectory, denoiser, target, step, anchor, techniques=()):
    source = Cond(SOURCE, EMPTY, 7.5)
    return Edit(trajectory, denoiser, source, [Target(target, techniques, step=step)], anchor=anchor).run()[0]


@FAMILIES
@pytest.mark.parametrize("name", RULES)
def test_the_aligned_step_retraces_the_trajectory_of_its_rule(name, family):
    denoiser = Mixture(GRIDS[family][0])
    trajectory = inverted(denoiser, family, name)
    step = aligned(trajectory, RULES[name])
    walked = integrate(step, denoiser, trajectory.xs[0], trajectory.sigmas, Cond(SOURCE)).xs
    assert all(error(a, b) < 1e-12 for a, b in zip(walked, trajectory.xs, strict=True))
    assert error(replay(trajectory, denoiser, Cond(SOURCE)).xs[-1], picture()) > 1e-3


@FAMILIES
def test_the_aligned_step_fails_with_the_other_level(family):
    denoiser = Mixture(GRIDS[family][0])
    for name, other in (("ddim", "ddim current sigma"), ("ddim current sigma", "ddim")):
        trajectory = inverted(denoiser, family, name)
        step = aligned(trajectory, RULES[other])
        assert (
            error(integrate(step, denoiser, trajectory.xs[0], trajectory.sigmas, Cond(SOURCE)).xs[-1], picture()) > 1e-2
        )


@FAMILIES
def test_the_aligned_step_is_the_published_one(family):
    """x' = x + (sigma' - sigma) v(x + R, sigma'), the level of an inversion that is told where it stands."""
    path, sigmas = GRIDS[family]
    trajectory = inverted(Mixture(path), family, "ddim current sigma")
    x, sigma, after = trajectory.xs[3] + 0.2, sigmas[3], sigmas[4]
    shifted = x + (trajectory.xs[4] - trajectory.xs[3])
    literal = x + (after - sigma) * (shifted - Mixture(path)(shifted, after, Cond(TARGET))) / after
    ours, _ = aligned(trajectory, RULES["ddim current sigma"])(
        Bound(Mixture(path), Cond(TARGET)), x, sigma, after, None
    )
    assert error(ours, literal) < 1e-12


def controlled(family):
    tokens = PromptTokens(tuple(Word(str(i), (i,)) for i in range(1, 4)), 5)
    whole = window(GRIDS[family][1], 0, 1)
    blend = local_blend(tokens, tokens, source_words=["1"], target_words=["2"], active=whole)
    return [prompt_to_prompt(align_refine(tokens, tokens), cross=whole, self_attention=whole), blend]


@FAMILIES
@pytest.mark.parametrize("techniques", [False, True], ids=["alone", "with attention edits"])
def test_direct_edit_with_the_source_prompt_is_the_picture(family, techniques):
    network, count = AttentionNetwork(path=GRIDS[family][0]), Count()
    trajectory, used = inverted(network, family), controlled(family) if techniques else ()
    step = aligned(trajectory, ddim_inverse)
    result = run(trajectory, Counted(network, count), Cond(SOURCE), step, aligned_source(ddim_inverse), used)
    assert error(result.target, picture()) < 1e-4
    assert all(torch.equal(a, b) for a, b in zip(result.source, trajectory.xs, strict=True))
    assert count.evaluations == (2 if techniques else 1) * trajectory.steps
    unaligned = run(trajectory, network, Cond(SOURCE), None, direct).target
    assert error(unaligned, picture()) > 10 * error(result.target, picture())
    other = run(trajectory, network, Cond(TARGET, EMPTY, 2.0), step, aligned_source(ddim_inverse), used).target
    assert error(other, picture()) > 0.05


H_EDITS = pytest.mark.parametrize("name", ["ddim", "edit-friendly DDPM"], ids=["D", "R"])
GUIDED = Cond(SOURCE, EMPTY, 7.5)


@FAMILIES
@H_EDITS
@pytest.mark.parametrize("guidance", [1.0, 3.5])
@pytest.mark.parametrize("loops", [1, 3])
def test_h_edit_with_the_source_prompt_at_equal_guidances_is_the_trajectory(name, family, guidance, loops):
    denoiser = Mixture(GRIDS[family][0])
    trajectory = inverted(denoiser, family, name, Cond(SOURCE, EMPTY, guidance))
    step = h_edit(trajectory, denoiser, GUIDED, source_guidance=7.5, loops=loops)
    result = run(trajectory, denoiser, GUIDED, step, h_edit_source)
    assert error(result.target, picture()) < 1e-10
    assert all(torch.equal(a, b) for a, b in zip(result.source, trajectory.xs, strict=True))


@FAMILIES
@H_EDITS
def test_h_edit_with_attention_edits_and_the_source_prompt_is_the_picture(name, family):
    network = AttentionNetwork(path=GRIDS[family][0])
    trajectory = inverted(network, family, name)
    step = h_edit(trajectory, network, GUIDED, source_guidance=7.5)
    assert error(run(trajectory, network, GUIDED, step, h_edit_source, controlled(family)).target, picture()) < 1e-3
    changed = [
        run(trajectory, network, Cond(TARGET, EMPTY, 7.5), step, h_edit_source, t) for t in ((), controlled(family))
    ]
    assert error(changed[0].target, changed[1].target) > 0.1 < error(changed[0].target, picture())


@FAMILIES
@pytest.mark.parametrize(("name", "each"), [("ddim", 5), ("edit-friendly DDPM", 4)], ids=["D", "R"])
def test_h_edit_costs(name, each, family):
    count, denoiser = Count(), Mixture(GRIDS[family][0])
    trajectory = inverted(denoiser, family, name)
    for loops in (1, 3):
        counted = Counted(denoiser, count)
        run(
            trajectory,
            counted,
            Cond(TARGET, EMPTY, 7.5),
            h_edit(trajectory, counted, GUIDED, loops=loops),
            h_edit_source,
        )
    steps = trajectory.steps
    assert count.evaluations == 2 * each * steps + 2 * 3 * (steps - 1)


@pytest.mark.parametrize(("name", "eta"), [("ddim", 0.0), ("edit-friendly DDPM", 1.0)], ids=["D", "R"])
def test_the_editing_term_of_h_edit_is_the_published_one(name, eta):
    """Literally in variance-preserving latents, with eps at the next level and the sampler's whole coefficient of eps."""
    trajectory, sigmas = inverted(Mixture(), "ve", name), GRIDS["ve"][1]
    x, sigma, after = trajectory.xs[4] + 0.1, sigmas[4], sigmas[5]
    abar, abar_next = (1 / (1 + s**2) for s in (sigma, after))
    variance = eta * (1 - abar_next) / (1 - abar) * (1 - abar / abar_next)
    coefficient = (1 - abar_next - variance).sqrt() - (1 - abar).sqrt() * (abar_next / abar).sqrt()

    def eps(z, told, prompt):
        scaled = z * (1 + told**2).sqrt()
        return (scaled - Mixture()(scaled, told, Cond(prompt))) / told

    def stepped(z):
        e = eps(z, sigma, SOURCE)
        clean = (z - (1 - abar).sqrt() * e) / abar.sqrt()
        return abar_next.sqrt() * clean + (1 - abar_next - variance).sqrt() * e

    kept, kept_next = trajectory.xs[4] * abar.sqrt(), trajectory.xs[5] * abar_next.sqrt()
    base = stepped(x * abar.sqrt()) + (kept_next - stepped(kept))
    blank, source, target = (eps(base, after, prompt) for prompt in (EMPTY, SOURCE, TARGET))
    wanted, left = blank + 7.5 * (target - blank), blank + 5.0 * (source - blank)
    literal = (base + coefficient * (wanted - left)) / abar_next.sqrt()
    step = h_edit(trajectory, Mixture(), GUIDED)
    ours, _ = step(Bound(Mixture(), Cond(TARGET, EMPTY, 7.5)), x, sigma, after, None)
    assert error(ours, literal) < 1e-10 and error(ours, base / abar_next.sqrt()) > 0.01


@FAMILIES
@H_EDITS
def test_the_weight_of_the_editing_term_is_the_steps_coefficient_of_the_velocity(name, family):
    """Where the network's predictions do not depend on x, the term moves x as far as the step itself would have."""

    class Constant(Mixture):
        def clean(self, x, sigma, prompt):
            return prompt.mean() * torch.ones_like(x)

    network, sigmas = Constant(GRIDS[family][0]), GRIDS[family][1]
    trajectory = inverted(network, family, name)
    sigma, after = sigmas[5], sigmas[6]
    step = h_edit(trajectory, network, GUIDED, source_guidance=1.0)
    moved = step(Bound(network, Cond(TARGET)), trajectory.xs[5], sigma, after, None)[0] - trajectory.xs[6]
    plain = Bound(network, Cond(TARGET)), Bound(network, Cond(SOURCE))
    solver = SOLVERS[trajectory.solver].step
    own = (
        solver(plain[0], trajectory.xs[5], sigma, after, None)[0]
        - solver(plain[1], trajectory.xs[5], sigma, after, None)[0]
    )
    assert error(moved * after, own * sigma) < 1e-10 and own.abs().max() > 0.01


def test_further_loops_pull_to_the_base():
    trajectory, sigmas = inverted(Mixture(), "ve"), GRIDS["ve"][1]
    bound, sigma, after = Bound(Mixture(), Cond(TARGET, EMPTY, 7.5)), sigmas[5], sigmas[6]
    once, free, pulled = (
        h_edit(trajectory, Mixture(), GUIDED, loops=loops, pull=pull)(bound, trajectory.xs[5], sigma, after, None)[0]
        for loops, pull in ((1, 0.1), (2, 0.0), (2, 0.1))
    )
    term = (free - once) / (after - sigma)
    want = 0.1 * (1 + after**2).sqrt() * term.square().mean((1, 2, 3)).sqrt()
    step = (free - pulled).abs().amax((1, 2, 3))
    assert torch.allclose(step, want, rtol=1e-6)
    assert torch.equal((free - pulled).sign(), (once - trajectory.xs[6]).sign())


def test_h_edit_refuses_what_it_cannot_do():
    trajectory = inverted(Mixture(), "ve")
    with pytest.raises(ValueError, match="unconditional prompt"):
        h_edit(trajectory, Mixture(), Cond(SOURCE))
    with pytest.raises(ValueError, match="one loop"):
        h_edit(trajectory, Mixture(), GUIDED, loops=0)

    class Distilled(Mixture):
        distilled = True

    with pytest.raises(ValueError, match="distilled"):
        h_edit(trajectory, Distilled(), GUIDED)
