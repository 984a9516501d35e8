"""Edits that look at another picture: neutral ones change nothing, and the fused forms equal the written-out softmax."""

import dataclasses
import math

import pytest
import torch

from harness.edits import edit
from harness.networks import AttentionNetwork, explicit_attention
from latent_inversion.inversion_core.attention.bank import Bank
from latent_inversion.inversion_core.attention.reference import adain, latent_adain
from latent_inversion.inversion_core.attention.site import Site
from latent_inversion.inversion_core.attention.weighted import weighted
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.delta import delta_edit
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import unanchored
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.methods.flow_edit import flow_edit
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas, window
from latent_inversion.inversion_core.techniques.garment import Worn, garment_attention, garment_statistics
from latent_inversion.inversion_core.techniques.style_aligned import Sharing, style_aligned
from latent_inversion.inversion_core.techniques.style_id import (
    LAYER,
    Injection,
    check_layer,
    first_layer,
    style_id,
)
from latent_inversion.inversion_core.types import Cond

SIGMAS = leading(scaled_linear_sigmas(), 6)
WHOLE, NEVER = window(SIGMAS, 0, 1), window(SIGMAS, 0, 0)
SOURCE, TARGET, OTHER, EMPTY = (torch.full((1, 5, 6), value) for value in (0.6, -0.5, 0.2, 0.0))
GUIDED = Cond(TARGET, EMPTY, 4.0)
FUSED = torch.nn.functional.scaled_dot_product_attention
SELF = Site("up", "self", "cond", float(SIGMAS[0]), (1, 6, 6), range(0), layer=6)
JOINT = Site("double.0", "joint", "cond", float(SIGMAS[0]), (1, 6, 6), range(4))
JOINT_TEXT_LAST = Site("double.0", "joint", "cond", float(SIGMAS[0]), (1, 6, 6), range(36, 40))


def trajectory(seed=7, rows=2, prompt=SOURCE):
    x0 = torch.randn(rows, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
    return invert(INVERSIONS["ddim"], AttentionNetwork(), x0, SIGMAS, Cond(prompt))


PICTURE, ANOTHER = trajectory(), trajectory(8, 1, OTHER)
RETRACED = dataclasses.replace(PICTURE, xs=replay(PICTURE, AttentionNetwork(), Cond(SOURCE)).xs)


def edited(*techniques, target=GUIDED, anchor=direct, of=PICTURE, net=None):
    return edit(of, net or AttentionNetwork(), Cond(SOURCE), target, anchor=anchor, techniques=techniques).target


def worn(mask=None, region=None, of=ANOTHER):
    whole = torch.ones(1, 1, 8, 8)
    return Worn(of, Cond(OTHER), whole if mask is None else mask, whole if region is None else region)


def half(rows=1):
    mask = torch.zeros(rows, 1, 8, 8)
    mask[..., 4:] = 1
    return mask


NEUTRAL = {
    "StyleAligned outside its window": lambda: style_aligned(ANOTHER, Cond(OTHER), active=NEVER),
    "StyleAligned with weight 0": lambda: style_aligned(
        ANOTHER, Cond(OTHER), active=WHOLE, sharing=Sharing(shift=-math.inf)
    ),
    "StyleID outside its window": lambda: style_id(
        ANOTHER, Cond(OTHER), active=NEVER, injection=Injection(start=False), layer=0
    ),
    "an empty garment": lambda: garment_attention(worn(torch.zeros(1, 1, 8, 8)), active=WHOLE),
    "no garment's statistics": lambda: garment_statistics(worn(torch.zeros(1, 1, 8, 8)), active=WHOLE),
    "statistics of an empty region": lambda: garment_statistics(worn(region=torch.zeros(1, 1, 8, 8)), active=WHOLE),
}
ACTIVE = {
    "StyleAligned": lambda: style_aligned(ANOTHER, Cond(OTHER), active=WHOLE),
    "StyleAligned, unshifted": lambda: style_aligned(ANOTHER, Cond(OTHER), active=WHOLE, sharing=Sharing(0.0, 0.5)),
    "StyleID": lambda: style_id(ANOTHER, Cond(OTHER), active=WHOLE, layer=0),
    "a garment": lambda: garment_attention(worn(half()), active=WHOLE),
    "a garment's statistics": lambda: garment_statistics(worn(half()), active=WHOLE),
}


@pytest.mark.parametrize("name", NEUTRAL)
def test_a_neutral_edit_is_bit_identical_to_none(name):
    assert torch.equal(edited(NEUTRAL[name]()), edited())


@pytest.mark.parametrize("name", ACTIVE)
def test_an_edit_acts_and_a_written_out_softmax_gives_the_same(name):
    found = edited(ACTIVE[name]())
    assert not torch.allclose(found, edited(), atol=1e-3)
    assert torch.allclose(edited(ACTIVE[name](), net=AttentionNetwork(attention=explicit_attention)), found, atol=1e-4)


def test_two_references_in_one_edit_lie_apart():
    third = trajectory(9, 1, TARGET)
    both = [style_aligned(one, Cond(OTHER), active=WHOLE) for one in (ANOTHER, third)]
    assert not torch.allclose(edited(*both), edited(both[0]), atol=1e-3)
    assert not torch.allclose(edited(*both), edited(both[0], both[0]), atol=1e-3)


def test_the_picture_itself_as_style_with_its_own_queries_is_the_source():
    injection = Injection(query=1.0, temperature=1.0, start=False)
    technique = style_id(RETRACED, Cond(SOURCE), active=WHOLE, injection=injection, layer=0)
    source = edit(RETRACED, AttentionNetwork(), Cond(SOURCE), Cond(SOURCE), anchor=unanchored)
    assert torch.allclose(edited(technique, target=Cond(SOURCE), anchor=unanchored), source.target, atol=1e-5)
    other = style_id(ANOTHER, Cond(OTHER), active=WHOLE, injection=injection, layer=0)
    assert not torch.allclose(edited(other, target=Cond(SOURCE), anchor=unanchored), source.target, atol=1e-3)


def test_style_id_starts_from_the_styles_statistics():
    moved = latent_adain(PICTURE.xs[0], ANOTHER.xs[0])
    for row in moved:
        assert torch.allclose(row.mean((1, 2)), ANOTHER.xs[0][0].mean((1, 2)), atol=1e-4)
        assert torch.allclose(row.std((1, 2)), ANOTHER.xs[0][0].std((1, 2)), rtol=1e-3)
    assert torch.allclose(latent_adain(PICTURE.xs[0], PICTURE.xs[0]), PICTURE.xs[0], atol=1e-5)
    begun = style_id(ANOTHER, Cond(OTHER), active=NEVER, layer=0)
    assert torch.equal(begun.begin(PICTURE.xs[2], float(SIGMAS[2])), latent_adain(PICTURE.xs[2], ANOTHER.xs[2]))
    assert not torch.allclose(edited(begun), edited(), atol=1e-3)


def qkv(seed, tokens, rows=2):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, 3, tokens, 8, generator=generator) for _ in range(3)]


def test_a_weight_is_a_shift_of_the_logits():
    q, k, v = qkv(1, 40)
    weights = torch.rand(2, 1, 40, 1) * 3
    logits = q @ k.transpose(-1, -2) / 8**0.5 + weights.log().transpose(-1, -2)
    assert torch.allclose(weighted(FUSED, q, k, v, weights), logits.softmax(-1) @ v, atol=1e-5)
    weights[:, :, 30:] = 0
    hidden = FUSED(q, k[:, :, :30], v[:, :, :30])
    assert torch.allclose(weighted(FUSED, q, k, v, (weights > 0).float()), hidden, atol=1e-5)


def called(technique, site, own, reference, source=None):
    bank = Bank()
    technique.reference.record(bank).apply(FUSED, *reference, site)
    if technique.record:
        technique.record(bank).apply(FUSED, *(source or own), site)
    uncond = Site(**{**vars(site), "branch": "uncond"})
    out = technique.inject(bank).apply(FUSED, *own, site)
    assert torch.equal(out, technique.inject(bank).apply(FUSED, *own, uncond)), "both branches see the reference"
    return out


@pytest.mark.parametrize("site", [SELF, JOINT, JOINT_TEXT_LAST], ids=["self", "joint", "joint, text last"])
def test_style_aligned_is_the_published_formula(site):
    tokens = site.tokens + len(site.text)
    (q, k, v), reference = qkv(1, tokens), qkv(2, tokens, rows=1)
    q_r, k_r, v_r = (t[:, :, site.image].expand(2, -1, -1, -1) for t in reference)
    found = called(style_aligned(ANOTHER, Cond(OTHER), active=WHOLE), site, (q, k, v), reference)

    def moved(t, r):
        (a, s), (b, w) = (((x.mean(2, keepdim=True)), (x.var(2, keepdim=True) + 1e-5).sqrt()) for x in (t, r))
        return (t - a) / s * w + b

    keys = k.clone()
    keys[:, :, site.image] = moved(k[:, :, site.image], k_r)
    logits = moved(q[:, :, site.image], q_r) @ torch.cat([keys, k_r], 2).transpose(-1, -2) / 8**0.5
    logits[..., tokens:] += math.log(2)
    wanted = FUSED(q, k, v)
    wanted[:, :, site.image] = logits.softmax(-1) @ torch.cat([v, v_r], 2)
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("site", [SELF, JOINT], ids=["self", "joint"])
def test_style_id_is_the_published_formula(site):
    tokens = site.tokens + len(site.text)
    (q, k, v), reference, source = qkv(1, tokens), qkv(2, tokens, rows=1), qkv(3, tokens)
    found = called(style_id(ANOTHER, Cond(OTHER), active=WHOLE), site, (q, k, v), reference, source)
    queries = 1.5 * (0.75 * source[0] + 0.25 * q)[:, :, site.image]
    keys, values = k.clone(), v.clone()
    keys[:, :, site.image], values[:, :, site.image] = (t[:, :, site.image] for t in reference[1:])
    wanted = FUSED(q, k, v)
    wanted[:, :, site.image] = (queries @ keys.transpose(-1, -2) / 8**0.5).softmax(-1) @ values
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 2], ids=["one mask", "a mask each"])
@pytest.mark.parametrize("site", [SELF, JOINT], ids=["self", "joint"])
def test_a_garments_keys_are_those_in_its_mask_shifted_for_queries_in_the_region(site, rows):
    tokens = site.tokens + len(site.text)
    (q, k, v), reference = qkv(1, tokens), qkv(2, tokens, rows=1)
    mask, region = (torch.rand(rows, 1, 6, 6, generator=torch.Generator().manual_seed(s)).round() for s in (1, 2))
    found = called(garment_attention(worn(mask, region), active=WHOLE, beta=1.3), site, (q, k, v), reference)
    k_r, v_r = (t[:, :, site.image].expand(2, -1, -1, -1) for t in reference[1:])
    logits = q[:, :, site.image] @ torch.cat([k, k_r], 2).transpose(-1, -2) / 8**0.5
    shift = 1.3 * region.flatten(2).transpose(1, 2) + mask.flatten(2).log()
    logits[..., tokens:] += shift[:, None]
    wanted = FUSED(q, k, v)
    wanted[:, :, site.image] = logits.softmax(-1) @ torch.cat([v, v_r], 2)
    assert torch.allclose(found, wanted, atol=1e-5)


def test_statistics_move_only_the_region():
    technique = garment_statistics(worn(half(), half()), active=WHOLE)
    x = PICTURE.xs[-1]
    after, _ = technique.blend(x, x, float(SIGMAS[-2]), Bank(), None)
    assert torch.equal(after[..., :4], x[..., :4])
    assert torch.allclose(after[..., 4:].mean((2, 3)), ANOTHER.xs[-1][..., 4:].mean((2, 3)).expand(2, -1), atol=1e-4)


def test_adain_gives_the_references_mean_and_spread():
    q, _, _ = qkv(1, 40)
    other = qkv(2, 30)[0] * 3 + 1
    moved = adain(q, other)
    assert torch.allclose(moved.mean(2), other.mean(2), atol=1e-5)
    assert torch.allclose(moved.std(2), other.std(2), rtol=1e-3)
    assert torch.allclose(adain(q, q), q, atol=1e-5)
    x = torch.randn(2, 4, 8, 8)
    assert torch.allclose(latent_adain(x, x, half(), half()), x, atol=1e-4)


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"0\.\.1"):
        worn(2 * half())
    with pytest.raises(ValueError, match="2 garment masks for 3 regions"):
        worn(half(2), half(3))


def test_style_id_acts_on_the_decoder_from_its_layer_on():
    where = style_id(ANOTHER, Cond(OTHER), active=WHOLE).inject(Bank()).where
    for layer, kind, acts in [
        (6, "self", True),
        (11, "self", True),
        (5, "self", False),
        (None, "self", False),
        (7, "cross", False),
    ]:
        assert where(Site("b", kind, "cond", 1.0, (1, 6, 6), range(0), layer=layer)) is acts
    assert where(JOINT)


@pytest.mark.parametrize(
    ("layers", "first"), [(range(3, 12), LAYER), (range(6), 3), ([], LAYER)], ids=["SD 1", "SDXL, the toybox", "none"]
)
def test_style_id_begins_at_a_layer_that_the_decoder_has(layers, first):
    assert first_layer(layers) == first
    check_layer(first, layers)
    if layers:
        with pytest.raises(ValueError, match=f"last layer .* is {max(layers)}. Set a smaller layer, such as {first}"):
            check_layer(12, layers)


def test_a_method_without_a_trajectory_refuses_a_reference():
    technique = style_aligned(ANOTHER, Cond(OTHER), active=WHOLE)
    with pytest.raises(ValueError, match="follows no trajectory"):
        delta_edit(
            flow_edit(), AttentionNetwork(), PICTURE.xs[-1], SIGMAS, Cond(SOURCE), GUIDED, techniques=[technique]
        )
