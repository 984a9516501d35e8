"""Edit-friendly DDPM inversion retraces exactly through maps that are not white; LEDITS++ keeps each concept in its masks."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from einops import rearrange
from torch.nn.functional import scaled_dot_product_attention

from harness.edits import edit
from harness.networks import AttentionNetwork, Mixture, Prompted, attention_map
from latent_inversion.inversion_core.attention.site import AttentionEdit, Site
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import Edit, Target
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.methods.ledits import Concept, at_least, ledits, smooth
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word
from latent_inversion.inversion_core.quality.metrics import Count, Counted
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas
from latent_inversion.inversion_core.solvers import ddpm
from latent_inversion.inversion_core.types import Bound, Cond

GRIDS = {"ve": (VE, leading(scaled_linear_sigmas(), 12)), "rf": (RF, torch.linspace(1, 0, 13, dtype=torch.float64))}
FAMILIES = pytest.mark.parametrize("family", GRIDS)
SOURCE, TARGET, EMPTY = (torch.full((1, 5, 4), value) for value in (0.6, -0.5, 0.0))


def picture(rows=2, side=16):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, 4, side, side, generator=generator, dtype=torch.float64) * 0.5 + 0.4


def inverted(family, cond, *, seed=1, x0=None, denoiser=None):
    path, sigmas = GRIDS[family]
    generator = torch.Generator().manual_seed(seed)
    x0 = picture() if x0 is None else x0
    return invert(INVERSIONS["edit-friendly DDPM"], denoiser or Mixture(path), x0, sigmas, cond, generator=generator)


def error(a, b):
    return float((a - b).abs().max())


@FAMILIES
@pytest.mark.parametrize("guidance", [1.0, 3.5, 15.0])
def test_the_same_cond_retraces_the_picture_at_any_guidance(family, guidance):
    cond = Cond(SOURCE, EMPTY, guidance)
    trajectory = inverted(family, cond)
    assert torch.equal(trajectory.xs[-1], picture())
    walked = replay(trajectory, Mixture(GRIDS[family][0]), cond).xs
    assert all(error(a, b) < 1e-11 for a, b in zip(walked, trajectory.xs, strict=True))


@FAMILIES
def test_without_the_last_map_the_picture_is_lost(family):
    trajectory = inverted(family, Cond(SOURCE))
    cut = replace(trajectory, noise=(*trajectory.noise[:-1], torch.zeros_like(trajectory.noise[-1])))
    end = replay(cut, Mixture(GRIDS[family][0]), Cond(SOURCE)).xs[-1]
    assert error(end, picture()) > 1e-2


@FAMILIES
def test_the_maps_are_larger_than_white_noise_and_neighbours_work_against_each_other(family):
    path, sigmas = GRIDS[family]
    trajectory = inverted(family, Cond(SOURCE), x0=picture(rows=8))
    added = [path.ancestral(a, b)[1] for a, b in pairwise(sigmas[:-1])]
    maps = [noise / size for noise, size in zip(trajectory.noise, added, strict=False)]
    assert torch.stack(maps[1:]).std() > 1.2
    pairs = torch.stack([torch.stack([a.flatten(), b.flatten()]) for a, b in pairwise(maps[1:])])
    assert max(float(pair.corrcoef()[0, 1]) for pair in pairs) < -0.2


@FAMILIES
def test_every_level_has_its_own_white_noise_from_the_generator(family):
    path, sigmas = GRIDS[family]
    trajectory = inverted(family, Cond(SOURCE), x0=picture(rows=8))
    draws = [path.noise(x, picture(rows=8), s) for x, s in zip(trajectory.xs[:-1], sigmas[:-1], strict=True)]
    table = torch.stack([draw.flatten() for draw in draws]).corrcoef()
    assert (table - torch.eye(len(draws))).abs().max() < 0.05
    assert all(float(draw.std()) == pytest.approx(1, abs=0.03) for draw in draws)
    again, other = inverted(family, Cond(SOURCE), seed=1), inverted(family, Cond(SOURCE), seed=2)
    assert torch.equal(again.xs[0], inverted(family, Cond(SOURCE)).xs[0])
    assert not torch.equal(again.xs[0], other.xs[0])


def test_the_mean_of_a_step_is_that_of_ddpm():
    """Eq. 7 of DDPM in its own latents: sqrt(abar') beta / (1 - abar) x0 + sqrt(alpha) (1 - abar') / (1 - abar) x."""
    sigma, after = (torch.tensor(s, dtype=torch.float64) for s in (3.0, 1.2))
    abar, abar_next = (1 / (1 + s**2) for s in (sigma, after))
    x, bound = picture() + sigma * 0.7, Bound(Mixture(), Cond(SOURCE))
    alpha = abar / abar_next
    literal = abar_next.sqrt() * (1 - alpha) / (1 - abar) * bound(x, sigma)
    literal = literal + alpha.sqrt() * (1 - abar_next) / (1 - abar) * (x * abar.sqrt())
    assert error(ddpm(bound, x, sigma, after, None)[0], literal / abar_next.sqrt()) < 1e-12


def test_the_mean_of_a_step_is_the_same_on_both_paths():
    flow = torch.tensor([0.8, 0.5], dtype=torch.float64)
    exploding, x = flow / (1 - flow), picture()
    ours = ddpm(Bound(Mixture(RF), Cond(SOURCE)), x, *flow, None)[0] / (1 - flow[1])
    assert error(ours, ddpm(Bound(Mixture(), Cond(SOURCE)), x / (1 - flow[0]), *exploding, None)[0]) < 1e-12
    with pytest.raises(ValueError, match="sigma 0"):
        ddpm(Bound(Mixture(), Cond(SOURCE)), x, torch.zeros((), dtype=torch.float64), flow[0], None)


@FAMILIES
def test_an_edit_begins_where_the_skipped_steps_end(family):
    path, _ = GRIDS[family]
    trajectory, target = inverted(family, Cond(SOURCE)), Cond(TARGET, EMPTY, 3.0)
    near, far = (
        edit(trajectory, Mixture(path), Cond(SOURCE), target, anchor=direct, start=start).target for start in (10, 2)
    )
    assert 0 < error(near, picture()) < error(far, picture())


class Regions(Prompted):
    """A pointwise denoiser whose prompts add their values to the columns of the picture that they name: [1, 2, width]."""

    path = VE

    def __call__(self, x, sigma, cond):
        return self.guided(lambda prompt, branch: x / (1 + sigma**2) + self.pattern(prompt, x), cond)

    def pattern(self, prompt, x):
        return prompt[:, 0].view(1, 1, 1, -1).to(x).expand_as(x)

    def edited(self, *edits):
        return self


def columns(*where, value=1.0, width=16):
    prompt = torch.zeros(1, 2, width)
    prompt[:, 0, list(where)] = value
    return prompt


NOTHING, LEFT, RIGHT = columns(), columns(1, 2), columns(11, 12, 13, 14, value=-0.5)
SIGMA = torch.tensor(2.0, dtype=torch.float64)


def test_two_concepts_act_at_once_each_in_its_own_place():
    left, right = Concept(LEFT, 3.0, threshold=0.8), Concept(RIGHT, 4.0, threshold=0.7)
    trajectory = inverted("ve", Cond(NOTHING), denoiser=Regions())
    wraps = [ledits([left]), ledits([right]), ledits([left, right])]
    targets = [Target(Cond(NOTHING), wrap=wrap) for wrap in wraps]
    results = Edit(trajectory, Regions(), Cond(NOTHING), targets, anchor=direct).run()
    one, two, both = (result.target - picture() for result in results)
    changed = [set((change.abs().amax((0, 1, 2)) > 1e-9).nonzero().flatten().tolist()) for change in (one, two, both)]
    assert changed == [{1, 2}, {11, 12, 13, 14}, {1, 2, 11, 12, 13, 14}]
    assert error(both, one + two) < 1e-9 and float(one.amax()) > 0.5 and float(two.amin()) < -0.5


def test_removing_is_the_opposite_of_adding_and_scale_0_is_nothing():
    x = picture()
    base = Regions()(x, SIGMA, Cond(NOTHING))
    added, removed, none = (
        ledits([concept])(Regions())(x, SIGMA, Cond(NOTHING)) - base
        for concept in (Concept(LEFT), Concept(LEFT, remove=True), Concept(LEFT, 0.0))
    )
    assert error(added, -removed) < 1e-12 and float(added.amax()) == pytest.approx(5) and not none.any()


@FAMILIES
def test_a_concept_changes_its_share_of_the_picture_and_costs_one_evaluation(family):
    path, count = GRIDS[family][0], Count()
    x, sigma = picture(), torch.tensor(0.7, dtype=torch.float64)
    network = ledits([Concept(TARGET, threshold=0.75), Concept(SOURCE, threshold=0.75)])(Counted(Mixture(path), count))
    change = network(x, sigma, Cond(EMPTY)) - Mixture(path)(x, sigma, Cond(EMPTY))
    assert count.evaluations == 3
    single = ledits([Concept(TARGET, threshold=0.75)])(Mixture(path))(x, sigma, Cond(EMPTY))
    share = (single != Mixture(path)(x, sigma, Cond(EMPTY))).any(1).float().mean((1, 2))
    assert share.tolist() == [0.25, 0.25] and change.any()


def test_concepts_lie_on_top_of_a_guided_source():
    x, cond = picture(), Cond(SOURCE, EMPTY, 3.5)
    base = Mixture()(x, SIGMA, cond)
    whole = ledits([Concept(TARGET, 2.0, threshold=0.0)])(Mixture())(x, SIGMA, cond)
    want = base + 2 * (Mixture()(x, SIGMA, Cond(TARGET)) - Mixture()(x, SIGMA, Cond(EMPTY)))
    assert error(whole, want) < 1e-12


WORDS = PromptTokens((Word("a", (1,)), Word("hat", (2, 3))), 5)
PROMPT = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(5))


def test_the_attention_to_its_words_is_a_concepts_other_mask():
    network, x, seen = AttentionNetwork(), picture(side=8).float(), []

    def keep(attend, q, k, v, site):
        seen.append(attention_map(q, k)[..., [1, 2, 3]].sum(-1).mean(1).view(-1, 1, 8, 8))
        return attend(q, k, v)

    shown = network.edited(AttentionEdit("keep", lambda site: site.kind == "cross", keep))
    shown(x, SIGMA, Cond(PROMPT))
    mask = at_least(smooth(seen[0]), 0.6)
    assert mask.mean() == pytest.approx(0.4, abs=0.02)
    base, wide, cut = (
        ledits([Concept(PROMPT, scale, threshold=0.6, words=words)])(network)(x, SIGMA, Cond(EMPTY.expand(1, 5, 4)))
        for scale, words in ((0.0, None), (5.0, None), (5.0, WORDS))
    )
    assert error(cut - base, mask * (wide - base)) < 1e-5
    assert 0 < (cut != base).float().mean() < (wide != base).float().mean()


def test_a_blur_keeps_what_is_even_and_mirrors_the_edges():
    even = torch.full((2, 1, 5, 6), 0.3)
    assert error(smooth(even), even) < 1e-6
    ramp = torch.arange(6.0).expand(1, 1, 5, 6)
    assert error(smooth(ramp)[..., 1:-1], ramp[..., 1:-1]) < 1e-6 and float(smooth(ramp)[0, 0, 2, 0]) > 0


def test_a_video_is_masked_frame_by_frame():
    class Frames(AttentionNetwork):
        def clean(self, x, sigma, prompt, branch, call):
            q, k = (
                rearrange(t @ self.weights(n, t.shape[-1], self.width), "b n (h d) -> b h n d", h=self.heads)
                for t, n in ((rearrange(x.float(), "b c f h w -> b (f h w) c"), "q"), (prompt, "ck"))
            )
            site = Site("block", "cross", branch, float(sigma), tuple(x.shape[2:]), range(5))
            call.attend(
                scaled_dot_product_attention, q, k.expand(len(x), -1, -1, -1), k.expand(len(x), -1, -1, -1), [site]
            )
            return prompt.mean() + 0 * x

    x = torch.randn(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    changed = ledits([Concept(PROMPT, 1.0, threshold=0.5, words=WORDS)])(Frames())(x, SIGMA, Cond(EMPTY)) != 0
    assert changed.any(1).float().mean((-2, -1)).tolist() == [[0.5] * 3] * 2
    assert not torch.equal(changed[0], changed[1]) and not torch.equal(changed[0, :, 0], changed[0, :, 1])


def test_ledits_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="at least one concept"):
        ledits([])
    with pytest.raises(ValueError, match="between 0 and 1"):
        Concept(LEFT, threshold=1.5)
    with pytest.raises(ValueError, match="no words"):
        Concept(LEFT, words=PromptTokens((), 5))
    with pytest.raises(LookupError, match="No attention maps"):
        ledits([Concept(TARGET, words=WORDS)])(Mixture())(picture(), SIGMA, Cond(EMPTY))
