"""The delta engine: what each rule does, against the published formulas; that one picture comes of both noise paths; masks."""

from dataclasses import dataclass

import pytest
import torch

from harness.networks import AttentionNetwork, Mixture
from latent_inversion.inversion_core.applications.diff_edit import diff_edit_mask
from latent_inversion.inversion_core.loops.delta import Pair, delta_edit
from latent_inversion.inversion_core.methods.ddcm import ddcm
from latent_inversion.inversion_core.methods.flow_align import PULL, flow_align
from latent_inversion.inversion_core.methods.flow_edit import flow_edit
from latent_inversion.inversion_core.methods.uni_edit import uni_edit, uni_edit_mask
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_refine
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas, window
from latent_inversion.inversion_core.techniques.local_blend import mask_blend
from latent_inversion.inversion_core.techniques.prompt_to_prompt import prompt_to_prompt
from latent_inversion.inversion_core.types import Bound, Cond, Wrapper

RULES = {"FlowEdit": flow_edit(), "FlowEdit, 3": flow_edit(noisings=3), "FlowAlign": flow_align(), "DDCM": ddcm}
FLOW = torch.linspace(0.96, 0, 13, dtype=torch.float64)
GRIDS = {"ve": (VE, leading(scaled_linear_sigmas(), 12)), "rf": (RF, torch.linspace(1, 0, 13, dtype=torch.float64))}
SOURCE, TARGET, EMPTY = torch.full((1, 5, 4), 0.6), torch.full((1, 5, 4), -0.5), torch.zeros(1, 5, 4)


def picture(dtype=torch.float64, rows=2):
    return torch.randn(rows, 4, 8, 8, generator=torch.Generator().manual_seed(0)).to(dtype) * 0.5 + 0.4


def seeded(seed=7):
    return torch.Generator().manual_seed(seed)


def guided(prompt, guidance=4.0):
    return Cond(prompt, EMPTY, guidance)


def pair_at(path, generator, target=TARGET):
    denoiser = Mixture(path)
    return Pair(denoiser, picture(), Bound(denoiser, guided(SOURCE)), Bound(denoiser, guided(target)), generator)


def scalar(value):
    return torch.tensor(float(value), dtype=torch.float64)


def largest(x):
    return float(x.abs().max())


@pytest.mark.parametrize("family", GRIDS)
@pytest.mark.parametrize("name", RULES)
def test_equal_prompts_and_guidance_give_the_picture_back(name, family):
    path, sigmas = GRIDS[family]
    edited = delta_edit(RULES[name], Mixture(path), picture(torch.float32), sigmas, guided(SOURCE), guided(SOURCE))
    assert torch.equal(edited.target, picture(torch.float32))
    assert len(edited.source) == len(sigmas) and all(torch.equal(x, picture(torch.float32)) for x in edited.source)


@pytest.mark.parametrize("family", GRIDS)
@pytest.mark.parametrize("name", RULES)
def test_noise_comes_from_the_generator_alone(name, family):
    path, sigmas = GRIDS[family]
    state = torch.get_rng_state()
    job = (RULES[name], Mixture(path), picture(torch.float32), sigmas, guided(SOURCE), guided(TARGET))
    first, again, other = (delta_edit(*job, generator=seeded(s)).target for s in (7, 7, 8))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())
    assert largest(first - picture(torch.float32)) > 0.1


@pytest.mark.parametrize("family", GRIDS)
def test_one_flow_edit_step_to_zero_adds_the_difference_of_the_predictions(family):
    path, sigmas = GRIDS[family]
    noise = torch.randn(picture().shape, generator=seeded()).double()
    x = path.add_noise(picture(), noise, sigmas[3])
    change = Mixture(path)(x, sigmas[3], guided(TARGET)) - Mixture(path)(x, sigmas[3], guided(SOURCE))
    moved = flow_edit()(pair_at(path, seeded()), picture(), sigmas[3], scalar(0))
    assert largest(moved - (picture() + change)) < 1e-12


def test_flow_edit_averages_its_noisings():
    z, (sigma, after) = picture() + 0.3, (scalar(0.7), scalar(0.6))
    generator = seeded()
    singles = [flow_edit()(pair_at(RF, generator), z, sigma, after) for _ in range(3)]
    together = flow_edit(noisings=3)(pair_at(RF, seeded()), z, sigma, after)
    assert largest(together - torch.stack(singles).mean(0)) < 1e-12
    with pytest.raises(ValueError, match="1 or more"):
        flow_edit(noisings=0)


def both_paths(rule_ve, rule_rf):
    """What the rules make of one picture in VE and in RF, over the same levels: sigma_ve = t / (1 - t)."""
    return [
        delta_edit(rule, Mixture(path), picture(), grid, guided(SOURCE), guided(TARGET), generator=seeded()).target
        for rule, path, grid in ((rule_ve, VE, FLOW / (1 - FLOW)), (rule_rf, RF, FLOW))
    ]


@pytest.mark.parametrize("name", ["FlowEdit", "FlowEdit, 3", "DDCM"])
def test_both_noise_paths_make_the_same_edit(name):
    """With z_ve - x0 = (z_rf - x0) / (1 - t) the FlowEdit steps agree; DDCM's states are clean and agree as they are."""
    ve, rf = both_paths(RULES[name], RULES[name])
    assert largest(ve - rf) < 1e-10
    assert largest(ve - picture()) > 0.1


def test_flow_align_makes_the_same_edit_with_the_pull_in_one_of_the_paths_variables():
    """Its pull moves z itself, so VE takes it times (1 + sigma_next), alpha's inverse; without the pull it is FlowEdit."""

    def scaled(pair, z, sigma, sigma_next):
        return flow_align(pull=PULL * (1 + float(sigma_next)))(pair, z, sigma, sigma_next)

    ve, rf = both_paths(scaled, flow_align())
    assert largest(ve - rf) < 1e-10
    unpulled, plain = (both_paths(rule, rule)[1] for rule in (flow_align(pull=0), flow_edit()))
    assert torch.equal(unpulled, plain)
    assert largest(rf - plain) > 1e-3


def test_flow_align_is_the_published_formula():
    x0, z, sigma, after = picture(), picture() + 0.3, scalar(0.7), scalar(0.6)
    q = (1 - sigma) * x0 + sigma * torch.randn(x0.shape, generator=seeded()).double()
    p = z + q - x0
    v_p, v_q = ((x - Mixture(RF)(x, sigma, guided(c))) / sigma for x, c in ((p, TARGET), (q, SOURCE)))
    published = z + (after - sigma) * (v_p - v_q) + 0.01 * (q - sigma * v_q - p + sigma * v_p)
    assert largest(flow_align()(pair_at(RF, seeded()), z, sigma, after) - published) < 1e-12


def test_ddcm_is_the_published_sampler_at_eta_1():
    """In variance-preserving latents: x0 + ((x_t - x_s) - sqrt(1 - abar) (e_t - e_s)) / sqrt(abar)."""
    x0, z, sigma = picture(), picture() + 0.3, scalar(3.0)
    abar = 1 / (1 + sigma**2)
    noise = torch.randn(x0.shape, generator=seeded()).double()
    x_t, x_s = (abar.sqrt() * x + (1 - abar).sqrt() * noise for x in (z, x0))
    cleans = (Mixture()(x / abar.sqrt(), sigma, guided(c)) for x, c in ((x_t, TARGET), (x_s, SOURCE)))
    e_t, e_s = ((x - abar.sqrt() * d) / (1 - abar).sqrt() for x, d in zip((x_t, x_s), cleans, strict=True))
    published = x0 + ((x_t - x_s) - (1 - abar).sqrt() * (e_t - e_s)) / abar.sqrt()
    assert largest(ddcm(pair_at(VE, seeded()), z, sigma, scalar(2.0)) - published) < 1e-12


@dataclass(frozen=True)
class Watched(Wrapper):
    """Notes the levels and states that it is asked about."""

    seen: list

    def __call__(self, x, sigma, cond):
        self.seen.append((float(sigma), x))
        return self.denoiser(x, sigma, cond)


@pytest.mark.parametrize("family", GRIDS)
@pytest.mark.parametrize(
    ("name", "coupled"), [("FlowEdit", lambda path, s: 1), ("DDCM", lambda path, s: path.alpha(s))]
)
def test_the_two_states_share_their_noise(name, coupled, family):
    """Their distance is that of the clean latents, as it stands in FlowEdit and noised in DDCM; no noise is left in it."""
    path, sigmas = GRIDS[family]
    seen, zs = [], [picture()]
    job = (RULES[name], Watched(Mixture(path), seen), picture(), sigmas, guided(SOURCE), guided(TARGET))
    delta_edit(*job, on_step=lambda progress: zs.append(progress.x))
    assert len(seen) == 2 * (len(sigmas) - 1)
    for (sigma, x_source), (_, x_target), z in zip(seen[::2], seen[1::2], zs, strict=False):
        assert largest(x_target - x_source - coupled(path, scalar(sigma)) * (z - picture())) < 1e-12


def control(tokens=5):
    words = PromptTokens(tuple(Word(str(i), (i,)) for i in range(1, 4)), tokens)
    whole = window(GRIDS["ve"][1], 0, 1)
    return prompt_to_prompt(align_refine(words, words), cross=whole, self_attention=whole)


@pytest.mark.parametrize("name", RULES)
def test_techniques_work_in_it(name):
    """A mask of zeros gives the picture back; Prompt-to-Prompt reaches the network, and changes nothing where nothing differs."""
    x0, sigmas = picture(torch.float32), GRIDS["ve"][1]
    generator = torch.Generator().manual_seed(2)
    source, target = (guided(torch.randn(1, 5, 4, generator=generator)) for _ in range(2))

    def run(target, *techniques):
        job = (RULES[name], AttentionNetwork(), x0, sigmas, source, target)
        return delta_edit(*job, techniques=techniques, generator=seeded()).target

    assert largest(run(target) - x0) > 1e-2
    assert torch.equal(run(target, mask_blend(torch.zeros(1, 1, 8, 8))), x0)
    assert largest(run(target, control()) - run(target)) > 1e-3
    assert largest(run(source, control()) - x0) < 1e-5


def test_what_cannot_be_edited_is_refused():
    x0, sigmas = picture(torch.float32), GRIDS["ve"][1]
    with pytest.raises(ValueError, match="must decrease"):
        delta_edit(ddcm, Mixture(), x0, sigmas.flip(0), guided(SOURCE), guided(TARGET))
    x0[0, 0, 0, 0] = torch.inf
    with pytest.raises(ValueError, match="1 values that are not finite"):
        delta_edit(ddcm, Mixture(), x0, sigmas, guided(SOURCE), guided(TARGET))


class HalfTold(Mixture):
    """Sees the prompt in the left half of the picture only."""

    def clean(self, x, sigma, prompt):
        x0 = super().clean(x, sigma, torch.zeros_like(prompt))
        x0[..., :4] = super().clean(x, sigma, prompt)[..., :4]
        return x0


@pytest.mark.parametrize("frames", [(), (3,)], ids=["picture", "video"])
def test_diff_edit_finds_where_the_prompts_disagree(frames):
    x0 = torch.randn(2, 4, *frames, 8, 8, generator=seeded())
    mask = diff_edit_mask(HalfTold(), x0, scalar(2.0), guided(SOURCE), guided(TARGET))
    assert mask.shape == (2 * (frames or (1,))[0], 1, 8, 8)
    assert float(mask[..., 4:].max()) == 0 and float(mask[..., :4].mean()) > 0.9
    same = diff_edit_mask(HalfTold(), x0, scalar(2.0), guided(SOURCE), guided(SOURCE, 2.0))
    assert float(same.max()) == 0
    mask_blend(mask)
    with pytest.raises(ValueError, match="1 or more"):
        diff_edit_mask(HalfTold(), x0, scalar(2.0), guided(SOURCE), guided(TARGET), noisings=0)


@pytest.mark.parametrize("frames", [(), (3,)], ids=["picture", "video"])
def test_uni_edit_finds_where_the_prompts_disagree(frames):
    states = [(torch.randn(2, 4, *frames, 8, 8, generator=seeded()), scalar(sigma)) for sigma in (2.0, 1.0)]
    mask = uni_edit_mask(HalfTold(), states, guided(SOURCE), guided(TARGET, 3.0))
    assert mask.shape == (2 * (frames or (1,))[0], 1, 8, 8)
    assert float(mask[..., 4:].max()) == 0 and float(mask.max()) == 1 and float(mask[..., :4].mean()) > 0.2
    assert float(uni_edit_mask(HalfTold(), states, guided(SOURCE), guided(SOURCE)).max()) == 0
    mask_blend(mask)
    with pytest.raises(ValueError, match="got none"):
        uni_edit_mask(HalfTold(), [], guided(SOURCE), guided(TARGET))


@pytest.mark.parametrize("shape", [(2, 4, 8, 8), (2, 4, 3, 8, 8)], ids=["picture", "video"])
def test_uni_edit_stresses_the_difference_where_it_is_large(shape):
    x, sigma = torch.randn(shape, generator=seeded()).double(), scalar(0.6)
    source, target = Mixture(RF)(x, sigma, guided(SOURCE)), Mixture(RF)(x, sigma, guided(TARGET))
    edited = uni_edit(Mixture(RF), guided(SOURCE), weight=5.0)(x, sigma, guided(TARGET))
    for row in range(2):
        change = (target - source)[row]
        size = change.abs().mean(0)
        mask = (size - size.min()) / (size.max() - size.min())
        published = (mask * target[row] + (1 - mask) * source[row]) + (mask + 1) * 5.0 * change
        assert largest(edited[row] - published) < 1e-12
    assert torch.equal(uni_edit(Mixture(RF), guided(SOURCE))(x, sigma, guided(SOURCE)), source)
