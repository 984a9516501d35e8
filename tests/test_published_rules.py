"""Rules of published methods, each written out here in its own words and held against ours."""

import math
from itertools import pairwise

import pytest
import torch

from harness import tiny_diffusion
from harness.networks import AttentionNetwork, Mixture, attention_map
from harness.shared_norms import both_normalised
from latent_inversion.inversion_core.attention.bank import Bank
from latent_inversion.inversion_core.attention.site import AttentionEdit, Site, UnmatchedEdit
from latent_inversion.inversion_core.backends.diffusers.denoiser import DiffusersDenoiser, Prompt, levels_of
from latent_inversion.inversion_core.inversions import INVERSIONS, Inversion, invert
from latent_inversion.inversion_core.inversions.ode import Ode
from latent_inversion.inversion_core.loops.edit import Edit, Target
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.methods import EDITORS, EditJob
from latent_inversion.inversion_core.methods.ledits import Concept, ledits
from latent_inversion.inversion_core.methods.negative_prompt import negative_prompt
from latent_inversion.inversion_core.methods.null_text import optimize_null_text
from latent_inversion.inversion_core.methods.prox_npi import prox_npi
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word
from latent_inversion.inversion_core.quality.metrics import Count, Counted
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas, window
from latent_inversion.inversion_core.solvers import averaged, euler, undo
from latent_inversion.inversion_core.techniques.local_blend import local_blend
from latent_inversion.inversion_core.techniques.style_aligned import Sharing, stand_in, style_aligned
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.inversion_core.types import Cond, SigmaRange

SOURCE, TARGET, EMPTY = torch.full((1, 5, 4), 0.6), torch.full((1, 5, 4), -0.5), torch.zeros(1, 5, 4)


def picture(rows=1, side=8):
    return torch.randn(rows, 4, side, side, generator=torch.Generator().manual_seed(0))


def closed_as_published(mask):
    """A mask `[rows, columns]` grown by 2 places and shrunk by as many; what lies outside of it counts for nothing."""
    rows, columns = mask.shape
    for extreme in (torch.max, torch.min):
        near = [[mask[max(i - 2, 0) : i + 3, max(j - 2, 0) : j + 3] for j in range(columns)] for i in range(rows)]
        mask = torch.stack([torch.stack([extreme(places) for places in row]) for row in near])
    return mask


def steer_flow_as_published(xs, sigmas, *, guidance, alpha):
    """The way back of SteerFlow's code for SD3, one picture after the other."""
    ends = []
    for x, *path in zip(xs[0], *xs, strict=True):
        for t, t_next, before, after in zip(sigmas, sigmas[1:], path, path[1:], strict=False):
            v_source = (after - before) / (t_next - t)
            v_empty, v_cond = ((x - Mixture(RF)(x[None], t, Cond(prompt))[0]) / t for prompt in (EMPTY, TARGET))
            v_target = v_empty + guidance * (v_cond - v_empty)
            cosine = (v_target * v_source).sum() / (v_target.norm() * v_source.norm())
            size = (v_cond - v_source).square().sum(0).sqrt()
            low, high = size.quantile(0.05), size.quantile(0.95)
            mask = closed_as_published(1 / (1 + (-15 * ((size - low) / (high - low + 1e-8) - 0.5)).exp()))
            x = x + (t_next - t) * (v_source + mask * (1 - t_next**alpha) * cosine * (v_target - v_source))
        ends.append(x)
    return torch.stack(ends)


def null_text_as_published(xs, sigmas, *, guidance, inner_steps):
    """The optimisation of arXiv:2211.09794 in variance-preserving latents `z = x / sqrt(1 + sigma^2)`, and its tries a level.

    Level i: Adam of the rate 0.01 (1 - i / 100), until the mean squared error is below 1e-5 + 2e-5 i. What is ours: a
    level that is finished ends before another step of Adam, and of the embeddings tried the best is kept.
    """
    network, embedding, tries = Mixture(), EMPTY, []
    z = xs[0] / (1 + sigmas[0] ** 2).sqrt()
    for i, (sigma, after) in enumerate(pairwise(sigmas)):
        goal, x = xs[i + 1] / (1 + after**2).sqrt(), z * (1 + sigma**2).sqrt()
        embedding = embedding.detach().clone().requires_grad_(True)
        adam = torch.optim.Adam([embedding], lr=1e-2 * (1.0 - i / 100.0))
        tried = []
        for count in range(inner_steps + 1):
            eps = (x - network(x, sigma, Cond(SOURCE, embedding, guidance))) / sigma
            z_next = (x + (after - sigma) * eps) / (1 + after**2).sqrt()
            loss = (z_next - goal).square().mean()
            tried.append((float(loss.detach()), embedding.detach().clone(), z_next.detach()))
            if tried[-1][0] < 1e-5 + 2e-5 * i or count == inner_steps:
                break
            adam.zero_grad()
            loss.backward()
            adam.step()
        tries.append(len(tried))
        _, embedding, z = min(tried, key=lambda one: one[0])
    return embedding, tries


@pytest.mark.parametrize("steps", [10, 25, 50])
def test_null_text_keeps_its_published_constants_at_any_number_of_steps(steps):
    sigmas = leading(scaled_linear_sigmas(), steps)
    trajectory = invert(INVERSIONS["ddim"], Mixture(), picture(), sigmas, Cond(SOURCE))
    tries = [0] * steps

    def count(progress):
        tries[progress.index // 5] += 1

    ours = optimize_null_text(trajectory, Mixture(), Cond(SOURCE, EMPTY, 3.0), inner_steps=4, on_step=count)
    theirs, counted = null_text_as_published(trajectory.xs, sigmas, guidance=3.0, inner_steps=4)
    assert tries == counted
    assert torch.allclose(ours.embeddings[-1], theirs, atol=1e-5)


def test_null_text_goes_on_where_the_published_rate_would_be_used_up():
    sigmas = leading(scaled_linear_sigmas(), 200)
    trajectory = invert(INVERSIONS["ddim"], Mixture(VE), picture(), sigmas, Cond(SOURCE))
    result = optimize_null_text(trajectory, Mixture(), Cond(SOURCE, EMPTY, 7.5), inner_steps=1)
    assert all(torch.isfinite(e).all() for e in result.embeddings) and len(result.embeddings) == 200


def prox_npi_as_published(trajectory, target, *, guidance, quantile, rate):
    """ProxNPI's DDIM steps in variance-preserving latents, source and target as two rows (arXiv:2306.05414, its code's l0).

    The threshold is a quantile over both rows; what exceeds it is shrunk by it; below time step 400 of 1000 the clean
    latent moves by `rate` to the picture where no value within one cell is still above the threshold.
    """
    network, sigmas, x0 = Mixture(), trajectory.sigmas, trajectory.xs[-1]
    step_400 = scaled_linear_sigmas()[400]
    z = (trajectory.xs[0] / (1 + sigmas[0] ** 2).sqrt()).repeat(2, 1, 1, 1)
    for sigma, after in pairwise(sigmas):
        x = z * (1 + sigma**2).sqrt()
        uncond, text = (
            torch.cat([(x[r : r + 1] - network(x[r : r + 1], sigma, Cond(p))) / sigma for r, p in enumerate(prompts)])
            for prompts in ((SOURCE, SOURCE), (SOURCE, target))
        )
        delta = text - uncond
        threshold = delta.abs().quantile(quantile)
        delta = delta.sign() * (delta.abs() - threshold).clamp(min=0)
        eps = uncond + guidance * delta
        clean = x - sigma * eps
        if sigma < step_400:
            grown = torch.nn.functional.max_pool2d((delta.abs() > threshold).double(), 3, 1, 1)
            clean = clean - rate * (clean - x0) * (1 - grown)
        z = (clean + after * eps) / (1 + after**2).sqrt()
    return z[1:]


def test_prox_npi_is_the_published_code():
    sigmas, target = leading(scaled_linear_sigmas(), 10), torch.linspace(-1, 0, 20).view(1, 5, 4)
    x0 = picture().double()
    trajectory = invert(INVERSIONS["ddim"], Mixture(), x0, sigmas, Cond(SOURCE))
    cond = negative_prompt(Cond(target, EMPTY, 5.0), Cond(SOURCE))
    ours = Edit(trajectory, Mixture(), Cond(SOURCE), [Target(cond, wrap=prox_npi(trajectory))]).run()[0].target
    theirs = prox_npi_as_published(trajectory, target, guidance=5.0, quantile=0.7, rate=0.1)
    assert torch.allclose(ours, theirs, atol=1e-9)
    assert not torch.allclose(ours, prox_npi_as_published(trajectory, target, guidance=5.0, quantile=0.7, rate=0.0))


def renoise_as_published(x0, sigmas, *, iterations):
    """ReNoise without its regularisers, in variance-preserving latents (arXiv:2403.14602, alg. 1).

    A step up asks for the noise of the latent it starts from, then of each guess in turn, always at the level that it
    leads to; the last two of the predictions are averaged, and the step is made once more with their mean.
    """
    levels = sigmas.flip(0)
    z = x0 / (1 + levels[0] ** 2).sqrt()
    for sigma, after in pairwise(levels):

        def stepped(eps, z=z, sigma=sigma, after=after):
            clean = z * (1 + sigma**2).sqrt() - sigma * eps
            return (clean + after * eps) / (1 + after**2).sqrt()

        guess, seen = z, []
        for _ in range(iterations + 1):
            x = guess * (1 + after**2).sqrt()
            seen.append((x - Mixture()(x, after, Cond(SOURCE))) / after)
            guess = stepped(seen[-1])
        z = stepped((seen[-2] + seen[-1]) / 2)
    return z * (1 + levels[-1] ** 2).sqrt()


def test_renoise_averages_the_last_two_predictions_once():
    sigmas, count = leading(scaled_linear_sigmas(), 5), Count()
    x0 = picture().double()
    theirs = renoise_as_published(x0, sigmas, iterations=9)
    to_the_end = Ode(undo(euler, tolerance=1e-30, iterations=9, ended=averaged), "euler")
    ours = invert(Inversion("ReNoise to the end", to_the_end, ""), Counted(Mixture(), count), x0, sigmas, Cond(SOURCE))
    assert torch.allclose(ours.xs[0], theirs, rtol=1e-9)
    assert count.evaluations == 5 * 11, "ten of the published step, and one that says what is left"
    stopped = invert(INVERSIONS["ReNoise"], Mixture(), x0, sigmas, Cond(SOURCE))
    assert torch.allclose(stopped.xs[0], theirs, rtol=1e-5, atol=1e-4), "ended where the tolerance is met"


def velocity_at(x, t):
    """What a rectified-flow network is trained for, noise - x0, of the mixture: at t = 0 the mean noise is 0."""
    return (x - Mixture(RF)(x, t, Cond(SOURCE))) / t if t > 0 else -x


def rf_solver_as_published(x, levels):
    """`x + h v + h^2 / 2 dv/dt` with `dv/dt = (v(x + h/2 v, t + h/2) - v) / (h / 2)`, at every level (arXiv:2411.04746)."""
    for t, after in pairwise(levels):
        h, v = after - t, velocity_at(x, t)
        middle = velocity_at(x + h / 2 * v, t + h / 2)
        x = x + h * v + h**2 / 2 * (middle - v) / (h / 2)
    return x


def fireflow_as_published(x, levels):
    """The velocity half-way, which is reached with the velocity half-way through the last step (arXiv:2412.07517)."""
    last = velocity_at(x, levels[0])
    for t, after in pairwise(levels):
        last = velocity_at(x + (after - t) / 2 * last, (t + after) / 2)
        x = x + (after - t) * last
    return x


def euler_as_published(x, levels):
    for t, after in pairwise(levels):
        x = x + (after - t) * velocity_at(x, t)
    return x


def uni_inv_as_published(x, levels):
    """The velocity at the end of the step, which is reached with the velocity of the last step's end (arXiv:2504.13109)."""
    last = velocity_at(x, levels[0])
    for t, after in pairwise(levels):
        last = velocity_at(x + (after - t) * last, after)
        x = x + (after - t) * last
    return x


@pytest.mark.parametrize(
    ("name", "published", "evaluations"),
    [
        ("Uni-Inv", uni_inv_as_published, 11),
        ("midpoint", rf_solver_as_published, 20),
        ("fireflow", fireflow_as_published, 11),
        ("ddim current sigma", euler_as_published, 10),
    ],
)
def test_on_rectified_flow_the_first_step_starts_from_the_velocity_at_zero(name, published, evaluations):
    sigmas, x0, count = torch.linspace(1, 0, 11, dtype=torch.float64), picture().double(), Count()
    ours = invert(INVERSIONS[name], Counted(Mixture(RF), count), x0, sigmas, Cond(SOURCE))
    theirs = published(x0, sigmas.flip(0))
    assert count.evaluations == evaluations
    assert (ours.xs[0] - theirs).abs().max() < 2e-3
    assert (ours.xs[-2] - published(x0, sigmas.flip(0)[:2])).abs().max() < 1e-3, "one step"


TABLE = levels_of(tiny_diffusion.scheduler().alphas_cumprod)


def words(seed):
    return Prompt(torch.randn(1, 7, 32, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_style_aligned_normalises_both_pictures_together(guidance):
    denoiser = DiffusersDenoiser(tiny_diffusion.tiny_unet(), TABLE, "epsilon")
    sigma, cond = TABLE[600], Cond(words(1), words(2) if guidance != 1 else None, guidance)
    x, reference = (torch.randn(n, 4, 16, 16, generator=torch.Generator().manual_seed(n)) * 5 for n in (2, 1))
    looked = Cond(words(3))
    theirs = both_normalised(
        denoiser.network, lambda: denoiser(x, sigma, cond), lambda: denoiser(reference, sigma, looked)
    )
    sigmas = torch.stack([sigma, torch.zeros_like(sigma)])
    shown = Trajectory(VE, sigmas, (reference, reference))
    bank, whole = Bank(), window(sigmas, 0, 1)
    ours = {}
    for norms in (True, False):
        technique = style_aligned(shown, looked, active=whole, sharing=Sharing(norms=norms), where=lambda site: False)
        if norms:
            denoiser.edited(technique.reference.record(bank))(reference, sigma, looked)
            ours = denoiser.edited(technique.inject(bank))(x, sigma, cond)
        else:
            with pytest.raises(UnmatchedEdit):
                denoiser.edited(technique.inject(bank))(x, sigma, cond)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    assert (ours - denoiser(x, sigma, cond)).abs().max() > 0.1
    assert sum(len(m._forward_hooks) for m in denoiser.network.modules()) == 0


def test_a_normalisation_that_is_not_shared_is_bit_identical_to_none():
    denoiser = DiffusersDenoiser(tiny_diffusion.tiny_unet(), TABLE, "epsilon")
    x, cond = picture(2, 16), Cond(words(1), words(2), 5.0)
    given_back = AttentionEdit("n", lambda site: site.kind == "norm", lambda attend, *qkv: attend(*qkv[:3]), norms=True)
    assert torch.equal(denoiser.edited(given_back)(x, TABLE[600], cond), denoiser(x, TABLE[600], cond))


@pytest.mark.parametrize("tokens", [1, 6, 7])
def test_a_stand_in_has_the_mean_and_spread_of_a_picture(tokens):
    values, mean, spread = torch.randn(2, 1, tokens, 3), torch.randn(1, 1, 1, 3), torch.rand(1, 1, 1, 3)
    made = stand_in(values, mean, spread)
    mean, spread = mean.expand(2, 1, 1, 3), spread.expand(2, 1, 1, 3)
    assert made.shape == (2, 1, tokens, 3) and torch.allclose(made.mean(2, keepdim=True), mean, atol=1e-6)
    assert torch.allclose(made.std(2, correction=0, keepdim=True), spread if tokens > 1 else 0 * spread, atol=1e-6)


def test_local_blend_reads_the_five_maps_of_a_quarter_of_the_latents_size():
    """Stable Diffusion 1 at 512: the mean of the 16 x 16 maps, widened by a 3 x 3 maximum, above 0.3 of its largest (published code)."""
    tokens, bank, generator = PromptTokens((Word("cat", (1,)),), 5), Bank(), torch.Generator().manual_seed(0)
    sizes = {f"{n}": size for n, size in enumerate([32, 32, 16, 16, 8, 16, 16, 16, 32])}
    drawn = {name: torch.rand(1, 1, size, size, generator=generator) ** 40 for name, size in sizes.items()}
    for name, size in sizes.items():
        site = Site(name, "cross", "cond", 1.0, (1, size, size), range(5))
        for side in ("source words", "target words"):
            bank.record(side, site, drawn[name])
    technique = local_blend(
        tokens, tokens, source_words=["cat"], target_words=["cat"], active=SigmaRange(2.0, 0.0), threshold=0.3
    )
    kept = technique.blend(torch.ones(1, 4, 64, 64), torch.zeros(1, 4, 64, 64), 1.0, bank, None)[0][0, 0]
    mean = torch.stack([m for name, m in drawn.items() if sizes[name] == 16]).mean(0)
    grown = torch.nn.functional.max_pool2d(mean, 3, 1, 1)
    mask = torch.nn.functional.interpolate(grown, (64, 64))[0, 0]
    assert torch.equal(kept, (mask / mask.max() > 0.3).float()) and 0.05 < float(kept.mean()) < 0.95
    other = technique.blend(torch.ones(1, 4, 24, 24), torch.zeros(1, 4, 24, 24), 1.0, bank, None)[0][0, 0]
    assert 0 < float(other.mean()) < 1, "where no map has that size all are read"


def test_steer_flow_moves_by_the_published_rule():
    sigmas = torch.linspace(1, 0, 11, dtype=torch.float64)
    job = EditJob(Mixture(RF), picture(2).double(), sigmas, Cond(SOURCE), Cond(TARGET, EMPTY, 6.5))
    trajectory = EDITORS["SteerFlow"].invert(job)
    published = steer_flow_as_published(trajectory.xs, sigmas, guidance=6.5, alpha=5.0)
    edited = EDITORS["SteerFlow"].edit(job, trajectory).target
    torch.testing.assert_close(edited, published, rtol=1e-9, atol=1e-9)
    assert (edited - job.x0).abs().max() > 0.1


@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
@pytest.mark.parametrize("start", [0, 3, 9])
def test_ledits_trajectory_leads_back_from_every_level(path, start):
    sigmas = leading(scaled_linear_sigmas(), 10) if path is VE else torch.linspace(1, 0, 11, dtype=torch.float64)
    x0 = picture().double()
    trajectory = invert(INVERSIONS["LEDITS++"], Mixture(path), x0, sigmas, Cond(SOURCE))
    assert (replay(trajectory, Mixture(path), Cond(SOURCE), start=start).xs[-1] - x0).abs().max() < 1e-12


@pytest.mark.parametrize(("step", "masks"), [(700, "both"), (900, "attention")])
def test_a_concept_has_the_published_masks(step, masks):
    """Attention is smoothed by exp(-d^2) and cut at its quantile; up to time step 800 the difference's own mask is laid over it."""
    words, quantile, sigma = PromptTokens((Word("hat", (2, 3)),), 5), 0.7, scaled_linear_sigmas()[step]
    network, x = AttentionNetwork(), picture(2) * float(sigma)
    prompt, blank = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(5)), Cond(torch.zeros(1, 5, 4))
    seen = []

    def keep(attend, q, k, v, site):
        seen.append(attention_map(q, k)[..., [2, 3]].sum(-1).mean(1).view(-1, 8, 8))
        return attend(q, k, v)

    watched = network.edited(AttentionEdit("keep", lambda site: site.kind == "cross", keep))
    difference = watched(x, sigma, Cond(prompt)) - network(x, sigma, blank)
    padded = torch.nn.functional.pad(seen[0][:, None], (1, 1, 1, 1), mode="reflect")[:, 0]
    weights = {(i, j): math.exp(-((i - 1) ** 2) - (j - 1) ** 2) for i in range(3) for j in range(3)}
    smooth = sum(w * padded[:, i : i + 8, j : j + 8] for (i, j), w in weights.items()) / sum(weights.values())
    size = difference.abs().sum(1)
    first, second = (one >= one.flatten(1).quantile(quantile, 1).view(-1, 1, 1) for one in (smooth, size))
    mask = first & second if masks == "both" else first
    wanted = network(x, sigma, blank) + 5.0 * mask[:, None] * difference
    ours = ledits([Concept(prompt, 5.0, threshold=quantile, words=words)])(network)(x, sigma, blank)
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-4)
    assert not torch.equal(first, first & second)
