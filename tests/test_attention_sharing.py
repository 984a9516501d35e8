"""Keys and values of the source in the target: MasaCtrl, injection, KV-Edit; what is neutral, what is exact, what is computed."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from harness.edits import edit
from harness.networks import AttentionNetwork, JointNetwork, attention_map, explicit_attention
from latent_inversion.inversion_core.attention.bank import Bank
from latent_inversion.inversion_core.attention.blocks import blocks_between, in_blocks
from latent_inversion.inversion_core.attention.site import Site, UnmatchedEdit
from latent_inversion.inversion_core.attention.technique import Technique
from latent_inversion.inversion_core.attention.weighted import weighted
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import unanchored
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_refine
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas, window
from latent_inversion.inversion_core.techniques.injection import inject_keys_values, inject_values
from latent_inversion.inversion_core.techniques.kv_edit import attend_inside, kv_edit
from latent_inversion.inversion_core.techniques.masactrl import (
    attend_regions,
    attend_weighted_regions,
    masactrl,
    masactrl_by_words,
)
from latent_inversion.inversion_core.techniques.presets import PRESETS, preset_for
from latent_inversion.inversion_core.techniques.prompt_to_prompt import prompt_to_prompt
from latent_inversion.inversion_core.types import Cond

SIGMAS = leading(scaled_linear_sigmas(), 6)
WHOLE, NEVER = window(SIGMAS, 0, 1), window(SIGMAS, 0, 0)
LENGTH = 12
NETWORKS = {
    "unet": AttentionNetwork(),
    "text first": JointNetwork(),
    "image first": JointNetwork(image_first=True),
}
fused = torch.nn.functional.scaled_dot_product_attention


@pytest.fixture(params=NETWORKS, name="net")
def network_of_a_kind(request):
    return NETWORKS[request.param]


def prompt(seed):
    return torch.randn(1, LENGTH, 6, generator=torch.Generator().manual_seed(seed))


def tokens(text):
    return PromptTokens(tuple(Word(word, (n,)) for n, word in enumerate(text.split(), 1)), LENGTH)


def everywhere(site):
    return True


SOURCE, TARGET, EMPTY = prompt(1), prompt(2), prompt(3)
CAT, DOG = tokens("a photo of a cat"), tokens("a photo of a big dog")
GUIDED, GUIDED_SOURCE = Cond(TARGET, EMPTY, 5.0), Cond(SOURCE, EMPTY, 5.0)


def trajectory(net, shape=(2, 4, 8, 8)):
    x0 = torch.randn(*shape, generator=torch.Generator().manual_seed(7))
    return invert(INVERSIONS["ddim"], net, x0, SIGMAS, Cond(SOURCE))


def edited(net, *techniques, of=None, target=GUIDED, source=GUIDED_SOURCE, anchor=direct):
    return edit(of or trajectory(net), net, source, target, anchor=anchor, techniques=techniques).target


def half(size=(8, 8)):
    mask = torch.zeros(1, 1, *size)
    mask[..., : size[1] // 2] = 1
    return mask


SHARING = {
    "masactrl": lambda active: [masactrl(where=everywhere, active=active)],
    "masactrl with masks": lambda active: [masactrl(where=everywhere, active=active, source_mask=half())],
    "masactrl by words": lambda active: masactrl_by_words(
        CAT, DOG, source_words=["cat"], target_words=["dog"], where=everywhere, active=active, threshold=0.5
    ),
    "keys and values": lambda active: [inject_keys_values(where=everywhere, active=active)],
    "keys and values outside": lambda active: [inject_keys_values(where=everywhere, active=active, mask=half())],
    "values": lambda active: [inject_values(where=everywhere, active=active)],
    "values outside": lambda active: [inject_values(where=everywhere, active=active, mask=half())],
    "values, the text's too": lambda active: [inject_values(where=everywhere, active=active, text=True)],
    "KV-Edit": lambda active: [replace(kv_edit(half(), active=active), blend=None)],
}
PLAIN = ("masactrl", "keys and values", "values", "values, the text's too")


@pytest.mark.parametrize("name", SHARING)
def test_outside_its_window_it_is_bit_identical_to_none(net, name):
    assert torch.equal(edited(net, *SHARING[name](NEVER)), edited(net))


@pytest.mark.parametrize("name", SHARING)
def test_inside_its_window_it_changes_the_edit(net, name):
    assert (edited(net, *SHARING[name](WHOLE)) - edited(net)).abs().mean() > 1e-3


@pytest.mark.parametrize("name", PLAIN)
def test_its_own_keys_and_values_change_no_bit(net, name):
    """At guidance 1 the target of the source's prompt is the source."""
    same = {"target": Cond(SOURCE), "source": Cond(SOURCE), "anchor": unanchored}
    assert torch.equal(edited(net, *SHARING[name](WHOLE), **same), edited(net, **same))


@pytest.mark.parametrize("name", [*PLAIN, "keys and values outside", "values outside", "KV-Edit"])
def test_a_guided_source_lends_each_branch_its_own(net, name):
    """Unanchored, source and target under one guidance are one and the same in both branches."""
    same = {"target": GUIDED_SOURCE, "anchor": unanchored}
    assert torch.allclose(edited(net, *SHARING[name](WHOLE), **same), edited(net, **same), atol=1e-5)


@pytest.mark.parametrize("name", SHARING)
def test_it_raises_where_no_site_matches(net, name):
    nowhere = lambda site: False  # noqa: E731
    made = {
        "masactrl": lambda: masactrl(where=nowhere, active=WHOLE),
        "values": lambda: inject_values(where=nowhere, active=WHOLE),
        "KV-Edit": lambda: kv_edit(half(), active=WHOLE, where=nowhere),
    }
    technique = made.get(name, lambda: inject_keys_values(where=nowhere, active=WHOLE))()
    with pytest.raises(UnmatchedEdit, match="met no attention call"):
        edited(net, technique)


@pytest.mark.parametrize("name", SHARING)
def test_a_whole_edit_equals_one_on_written_out_maps(net, name):
    of = trajectory(net)
    written, plain = replace(net, attention=explicit_attention), {"of": of, "target": Cond(TARGET)}
    assert torch.allclose(
        edited(written, *SHARING[name](WHOLE), **plain), edited(net, *SHARING[name](WHOLE), **plain), atol=1e-4
    )


JOINT = Site("double.0", "joint", "cond", 1.0, (1, 4, 9), range(5))
SELF = Site("b", "self", "cond", 1.0, (1, 4, 9), range(0))
IMAGE_FIRST = replace(JOINT, text=range(36, 41))
SITES = pytest.mark.parametrize("site", [SELF, JOINT, IMAGE_FIRST], ids=["self", "text first", "image first"])


def qkv(site, seed, rows=2):
    generator = torch.Generator().manual_seed(seed)
    count = site.tokens + (len(site.text) if site.kind == "joint" else 0)
    return [torch.randn(rows, 3, count, 8, generator=generator) for _ in range(3)]


def run(technique, site, attend=fused, *, uncond=False):
    """The target's call after the source's conditional one: `(result, source's qkv, target's qkv)`."""
    bank, source, target = Bank(), qkv(site, 1), qkv(site, 2)
    technique.record(bank).apply(fused, *source, site)
    at = replace(site, branch="uncond") if uncond else site
    return technique.inject(bank).apply(attend, *target, at), source, target


def put(tokens_, site, image):
    out = tokens_.clone()
    out[:, :, site.image] = image
    return out


@SITES
@pytest.mark.parametrize("uncond", [False, True], ids=["cond", "uncond"])
@pytest.mark.parametrize("make", [masactrl, inject_keys_values, inject_values])
def test_image_tokens_are_the_sources_and_text_its_own(site, uncond, make):
    """In the unconditional branch too, although an anchored source has none."""
    out, (_, k_s, v_s), (q, k, v) = run(make(where=everywhere, active=WHOLE), site, uncond=uncond)
    keys = k if make is inject_values else put(k, site, k_s[:, :, site.image])
    assert torch.allclose(out, explicit_attention(q, keys, put(v, site, v_s[:, :, site.image])), atol=1e-6)


@SITES
def test_inside_a_mask_the_targets_keys_and_values_stay(site):
    mask = torch.zeros(2, 1, 4, 9)
    mask[0, ..., :3], mask[1, ..., 2:] = 1, 1
    out, (_, k_s, v_s), (q, k, v) = run(inject_keys_values(where=everywhere, active=WHOLE, mask=mask), site)
    inside = mask.flatten(1)[:, None, :, None].bool()
    k, v = (
        put(t, site, torch.where(inside, t[:, :, site.image], s[:, :, site.image])) for t, s in ((k, k_s), (v, v_s))
    )
    assert torch.allclose(out, explicit_attention(q, k, v), atol=1e-6)


def mutual_oracle(q, k, v, site, source, target):
    """MasaCtrl's masked attention with the logits written out."""
    logits = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    rows, keys = (torch.full((len(q), q.shape[2]), -1) for _ in range(2))
    rows[:, site.image], keys[:, site.image] = target.long(), source.long()
    apart = (
        (rows[:, None, :, None] >= 0)
        & (keys[:, None, None, :] >= 0)
        & (rows[:, None, :, None] != keys[:, None, None, :])
    )
    return logits.masked_fill(apart, -torch.inf).softmax(-1) @ v


@SITES
def test_regions_ask_their_own_kind_only(site):
    q, k, v = qkv(site, 3)
    source, target = (torch.rand(1, 36, generator=torch.Generator().manual_seed(n)) > 0.6 for n in (1, 2))
    wanted = mutual_oracle(q, k, v, site, source.expand(2, -1), target.expand(2, -1))
    assert torch.allclose(attend_regions(fused, q, k, v, site, source, target), wanted, atol=1e-6)
    assert torch.allclose(attend_weighted_regions(fused, q, k, v, site, source, target), wanted, atol=1e-5)
    source, target = (torch.rand(2, 36, generator=torch.Generator().manual_seed(n)) > 0.6 for n in (3, 4))
    wanted = mutual_oracle(q, k, v, site, source, target)
    assert torch.allclose(attend_weighted_regions(fused, q, k, v, site, source, target), wanted, atol=1e-5)


@SITES
@pytest.mark.parametrize("value", [False, True])
def test_a_source_without_foreground_or_background_is_asked_whole(site, value):
    q, k, v = qkv(site, 3)
    source, target = torch.full((1, 36), value), torch.rand(1, 36) > 0.5
    for form in (attend_regions, attend_weighted_regions):
        assert torch.allclose(form(fused, q, k, v, site, source, target), explicit_attention(q, k, v), atol=1e-5)


def test_weights_are_shifts_of_the_logits():
    q, k, v = qkv(SELF, 5)
    shift = torch.randn(2, 1, 36, 1)
    wanted = (q @ k.transpose(-1, -2) / 8**0.5 + shift.transpose(-1, -2)).softmax(-1) @ v
    assert torch.allclose(weighted(fused, q, k, v, shift.exp()), wanted, atol=1e-5)


def test_queries_whose_weighted_keys_have_no_mass_attend_to_all():
    q, k, v = qkv(SELF, 5)
    plain = fused(q, k, v)
    assert torch.equal(weighted(fused, q, k, v, torch.zeros(1, 1, 36, 1)), plain)
    k[:, :, 0] = -1000 * q[:, :, 0]
    weights = torch.zeros(1, 1, 36, 1)
    weights[:, :, 0] = 1
    out = weighted(fused, q, k, v, weights)
    assert torch.equal(out[:, :, 0], fused(q, k, v)[:, :, 0]) and bool(out.isfinite().all())


def test_words_tell_the_regions(net):
    """A source and a target that both know their words are confined; without the target's maps the source's serve."""
    of = trajectory(net)
    words = {"source_words": ["cat"], "target_words": ["dog"], "where": everywhere, "active": WHOLE}
    plain = {"of": of, "target": Cond(TARGET)}
    whole = edited(net, *masactrl_by_words(CAT, DOG, **words, threshold=0.0), **plain)
    assert torch.allclose(whole, edited(net, masactrl(where=everywhere, active=WHOLE), **plain), atol=1e-4)
    parted = edited(net, *masactrl_by_words(CAT, DOG, **words, threshold=0.5), **plain)
    assert not torch.allclose(parted, whole, atol=1e-3)
    with pytest.raises(ValueError, match="no word 'fox'"):
        masactrl_by_words(CAT, DOG, **words | {"source_words": ["fox"]})


@pytest.mark.parametrize("size", [(8, 8), (64, 64)])
def test_kv_edit_of_nothing_reconstructs_and_of_all_injects_nothing(net, size):
    of = trajectory(net)
    assert torch.equal(edited(net, kv_edit(torch.zeros(1, 1, *size), active=WHOLE), of=of), of.xs[-1])
    assert torch.equal(edited(net, kv_edit(torch.ones(2, 1, *size), active=WHOLE), of=of), edited(net, of=of))


def test_kv_edit_keeps_the_background_bit_for_bit(net):
    of = trajectory(net)
    out = edited(net, kv_edit(half((64, 64)), active=WHOLE), of=of)
    assert torch.equal(out[..., 5:], of.xs[-1][..., 5:])
    assert (out[..., :4] - of.xs[-1][..., :4]).abs().mean() > 0.01


def counting(seen):
    def attend(q, k, v):
        seen.append(q.shape[2])
        return fused(q, k, v)

    return attend


@SITES
@pytest.mark.parametrize("uncond", [False, True], ids=["cond", "uncond"])
def test_kv_edit_computes_masked_tokens_only_on_the_sources_background(site, uncond):
    mask = torch.zeros(2, 1, 4, 9)
    mask[0, ..., :2, :3], mask[1, ..., :2] = 1, 1
    seen = []
    technique = kv_edit(mask, active=WHOLE)
    out, (q_s, k_s, v_s), (q, k, v) = run(technique, site, counting(seen), uncond=uncond)
    assert seen == [8 + (len(site.text) if site.kind == "joint" else 0)]
    inside = mask.flatten(1)[:, None, :, None].bool()
    k, v = (
        put(t, site, torch.where(inside, t[:, :, site.image], s[:, :, site.image])) for t, s in ((k, k_s), (v, v_s))
    )
    wanted, source = explicit_attention(q, k, v), fused(q_s, k_s, v_s)[:, :, site.image]
    wanted = put(wanted, site, torch.where(inside, wanted[:, :, site.image], source))
    assert torch.allclose(out, wanted, atol=1e-6)


def test_kv_edit_of_no_token_computes_the_text_only():
    q, k, v = qkv(SELF, 3)
    none = torch.zeros(1, 36, dtype=torch.bool)
    assert torch.equal(attend_inside(pytest.fail, q, k, v, SELF, none, v), v)
    q, k, v = qkv(JOINT, 3)
    out = attend_inside(fused, q, k, v, JOINT, none, v[:, :, JOINT.image])
    assert torch.allclose(out[:, :, :5], fused(q, k, v)[:, :, :5], atol=1e-6)
    assert torch.equal(out[:, :, 5:], v[:, :, 5:])


@pytest.mark.parametrize("frames_of_masks", [1, 3])
def test_frames_among_the_tokens_have_a_mask_each_or_one_for_all(frames_of_masks):
    site = replace(SELF, grid=(3, 3, 4))
    masks = (torch.rand(2 * 3 if frames_of_masks == 3 else 1, 1, 3, 4) > 0.5).float()
    out, (q_s, k_s, v_s), (q, k, v) = run(kv_edit(masks, active=WHOLE), site)
    inside = masks.view(2, -1) if frames_of_masks == 3 else masks.view(1, -1).repeat(1, 3)
    inside = inside[:, None, :, None].bool()
    wanted = explicit_attention(q, torch.where(inside, k, k_s), torch.where(inside, v, v_s))
    assert torch.allclose(out, torch.where(inside, wanted, fused(q_s, k_s, v_s)), atol=1e-6)


def control(net, active):
    return prompt_to_prompt(align_refine(CAT, DOG), cross=active, self_attention=active)


@pytest.mark.parametrize("name", SHARING)
def test_it_composes_with_prompt_to_prompt(net, name):
    """Both act, and as with written-out maps: nothing is counted twice."""
    of = trajectory(net)
    techniques = [*SHARING[name](WHOLE), control(net, window(SIGMAS, 0, 0.5))]
    plain = {"of": of, "target": Cond(TARGET)}
    both = edited(net, *techniques, **plain)
    written = replace(net, attention=explicit_attention)
    assert torch.allclose(both, edited(written, *techniques, **plain), atol=1e-4)
    for alone in ([*SHARING[name](WHOLE)], [techniques[-1]]):
        assert (both - edited(net, *alone, **plain)).abs().mean() > 1e-3


@SITES
def test_shared_values_are_counted_once_under_an_edit_that_splits_them(site):
    """Prompt-to-Prompt asks the kernel twice for parts of the values; the picture's part is the source's once."""
    length = 5 if site.kind == "joint" else LENGTH
    words = PromptTokens((Word("cat", (1,)),), length)
    inner = prompt_to_prompt(align_refine(words, words), cross=WHOLE, self_attention=NEVER)
    outer = inject_keys_values(where=everywhere, active=WHOLE)
    bank, source, target = Bank(), qkv(site, 1), qkv(site, 2)
    for technique in (outer, inner):
        technique.record(bank).apply(fused, *source, site)
    split = inner.inject(bank)
    inside = partial(lambda *qkv_: split.apply(fused, *qkv_, site)) if split.where(site) else fused
    out = outer.inject(bank).apply(inside, *target, site)
    q, k, v = target
    k, v = (put(t, site, s[:, :, site.image]) for t, s in zip((k, v), source[1:], strict=True))
    wanted = attention_map(q, k)
    if site.kind == "joint":
        at, text = site.image, slice(site.text.start, site.text.stop)
        wanted[:, :, at, text] = attention_map(source[0], source[1])[:, :, at, text]
    assert torch.allclose(out, wanted @ v, atol=1e-5)


def test_blocks_are_chosen_by_name_and_by_depth():
    names = [f"double.{n}" for n in range(4)]
    assert blocks_between(names, 0.5) == ("double.2", "double.3")
    assert blocks_between(names, 0.0, 0.5) == ("double.0", "double.1")
    where = in_blocks(blocks_between(names, 0.5))
    assert where(replace(JOINT, block="double.3")) and not where(replace(JOINT, block="double.0"))
    with pytest.raises(ValueError, match="No block lies between"):
        blocks_between(names, 0.9, 0.95)


@pytest.mark.parametrize("masked", [False, True])
def test_rf_edit_puts_in_all_of_the_source_s_values_as_published(masked):
    """Its code replaces v as a whole, the text's part too; image tokens inside a mask, and text of another length, keep theirs."""
    made = PRESETS["RF-Edit (Flux)"].techniques(WHOLE, half() if masked else None)[0]
    site = Site("single.20", "joint", "cond", float(SIGMAS[0]), (1, 8, 8), range(12))
    q, k, v, v_source = (torch.randn(1, 2, 76, 3, generator=torch.Generator().manual_seed(n)) for n in range(4))
    bank, place = Bank(), torch.arange(-12, 64)[None, None, :, None]
    made.record(bank).apply(fused, q, k, v_source, site)
    inside = (place >= 0) & (place % 8 < 4) & masked
    assert torch.equal(made.inject(bank).apply(fused, q, k, v, site), fused(q, k, torch.where(inside, v, v_source)))
    longer = replace(site, text=range(13))
    q, k, v = (torch.cat([t[:, :, :1], t], 2) for t in (q, k, v))
    kept = torch.cat([v[:, :, :13], torch.where(inside[:, :, 12:], v[:, :, 13:], v_source[:, :, 12:])], 2)
    assert torch.equal(made.inject(bank).apply(fused, q, k, v, longer), fused(q, k, kept))


@pytest.mark.parametrize("name", PRESETS)
def test_published_blocks_are_blocks_of_their_network(name):
    preset = PRESETS[name]
    doubles, singles = preset.network
    known = {f"double.{n}" for n in range(doubles)} | {f"single.{n}" for n in range(singles)}
    chosen = [*preset.blocks, *preset.everywhere]
    assert chosen and set(chosen) <= known and len(set(chosen)) == len(chosen)
    assert "arXiv" in preset.source or "github.com" in preset.source
    techniques = preset.techniques(WHOLE, half())
    assert len(techniques) == 1 + bool(preset.everywhere) and all(isinstance(t, Technique) for t in techniques)


def test_blocks_outside_and_everywhere_of_a_preset_treat_the_mask_so():
    preset = replace(PRESETS["LayerVerse (Flux)"], blocks=("double.0",), everywhere=("double.1",))
    net, of = NETWORKS["text first"], trajectory(NETWORKS["text first"])
    parts = [
        inject_keys_values(where=in_blocks(["double.0"]), active=WHOLE, mask=half()),
        inject_keys_values(where=in_blocks(["double.1"]), active=WHOLE),
    ]
    assert torch.equal(edited(net, *preset.techniques(WHOLE, half()), of=of), edited(net, *parts, of=of))


def test_a_preset_is_chosen_by_the_networks_blocks():
    flux = [f"double.{n}" for n in range(19)] + [f"single.{n}" for n in range(38)]
    assert preset_for(flux, masked=False) is PRESETS["Stable Flow (Flux)"]
    assert preset_for([f"double.{n}" for n in range(24)], masked=True) is PRESETS["LayerVerse (SD3.5 medium)"]
    small = [f"double.{n}" for n in range(4)]
    assert {preset_for(small, masked=masked).blocks for masked in (True, False)} == {("double.2", "double.3")}
    assert preset_for(small, masked=True).inject is inject_keys_values
    assert preset_for(small, masked=False).inject is inject_values and preset_for(small, masked=False).span[1] < 0.2
    PRESETS["RF-Edit (Flux)"].on(flux)
    with pytest.raises(ValueError, match=r"19 double and 38 single blocks, but this model has no block single\.20"):
        PRESETS["RF-Edit (Flux)"].on(small)
