"""Prompt-to-Prompt and local blend: neutral edits change nothing, and the fused form equals the written-out maps."""

import dataclasses

import pytest
import torch

from harness.edits import edit
from harness.networks import AttentionNetwork, attention_map, explicit_attention
from latent_inversion.inversion_core.attention.bank import Bank
from latent_inversion.inversion_core.attention.edited_call import EditedCall
from latent_inversion.inversion_core.attention.image_tokens import share_inside
from latent_inversion.inversion_core.attention.maps import mean_maps, record_maps, word_maps
from latent_inversion.inversion_core.attention.site import AttentionEdit, Site, UnmatchedEdit
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import edits_of
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_refine, align_replace
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas, window
from latent_inversion.inversion_core.techniques.local_blend import local_blend, mask_blend, region
from latent_inversion.inversion_core.techniques.prompt_to_prompt import mix, prompt_to_prompt
from latent_inversion.inversion_core.types import Cond

SIGMAS = leading(scaled_linear_sigmas(), 8)
WHOLE, NEVER = window(SIGMAS, 0, 1), window(SIGMAS, 0, 0)
LENGTH = 12


def prompt(seed):
    return torch.randn(1, LENGTH, 6, generator=torch.Generator().manual_seed(seed))


def tokens(text, pieces=None):
    words, column = [], 1
    for word in text.split():
        size = (pieces or {}).get(word, 1)
        words.append(Word(word, tuple(range(column, column + size))))
        column += size
    return PromptTokens(tuple(words), LENGTH)


SOURCE, TARGET, EMPTY = prompt(1), prompt(2), prompt(3)
CAT, DOG = tokens("a photo of a cat"), tokens("a photo of a big dog")
GUIDED = Cond(TARGET, EMPTY, 5.0)


def network(**changes):
    return AttentionNetwork(**changes)


def trajectory(shape=(2, 4, 8, 8)):
    x0 = torch.randn(*shape, generator=torch.Generator().manual_seed(7))
    return invert(INVERSIONS["ddim"], network(), x0, SIGMAS, Cond(SOURCE))


def edited(*techniques, target=GUIDED, source=None, anchor=direct, of=None, net=None):
    of = of or trajectory()
    return edit(
        of, net or network(), source or Cond(SOURCE, EMPTY, 5.0), target, anchor=anchor, techniques=techniques
    ).target


def test_equal_prompts_under_full_replacement_give_the_source_run():
    source = Cond(SOURCE, EMPTY, 5.0)
    technique = prompt_to_prompt(align_replace(CAT, CAT), cross=WHOLE, self_attention=WHOLE)
    from latent_inversion.inversion_core.loops.edit import unanchored

    plain = replay(trajectory(), network(), source).xs[-1]
    assert torch.allclose(edited(technique, target=source, source=source, anchor=unanchored), plain, atol=1e-5)


def test_an_edit_outside_its_windows_is_bit_identical_to_none():
    technique = prompt_to_prompt(align_refine(CAT, DOG), cross=NEVER, self_attention=NEVER, weights={"dog": 3.0})
    assert torch.equal(edited(technique), edited())


def test_weight_one_is_neutral_and_another_weight_is_not():
    base = {"cross": WHOLE, "self_attention": NEVER}
    plain = edited(prompt_to_prompt(align_refine(CAT, DOG), **base))
    assert torch.equal(edited(prompt_to_prompt(align_refine(CAT, DOG), weights={"dog": 1.0}, **base)), plain)
    assert not torch.allclose(
        edited(prompt_to_prompt(align_refine(CAT, DOG), weights={"dog": 4.0}, **base)), plain, atol=1e-3
    )


def test_own_maps_kept_where_nothing_is_taken_equals_no_edit():
    """All of the target's words new, all windows open: only float order differs from no edit."""
    source, target = tokens("one two"), PromptTokens(tuple(Word(w, (c,)) for c, w in enumerate(["x"] * LENGTH)), LENGTH)
    technique = prompt_to_prompt(align_refine(source, target), cross=WHOLE, self_attention=NEVER)
    assert torch.allclose(edited(technique), edited(), atol=1e-5)


def qkv(seed, length, heads=3, dim=8, rows=2):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, heads, n, dim, generator=generator) for n in (36, length, length)]


@pytest.mark.parametrize("mode", [align_refine, align_replace])
@pytest.mark.parametrize("pieces", [{}, {"cat": 3}, {"dog": 3}, {"big": 2, "photo": 2}], ids=str)
def test_fused_mixing_equals_the_written_out_maps(mode, pieces):
    alignment = mode(tokens("a photo of a cat", pieces), tokens("a photo of a big dog", pieces))
    (q_s, k_s, _), (q_t, k_t, v_t) = qkv(1, LENGTH), qkv(2, LENGTH)
    scale, on = torch.rand(LENGTH) * 3, (torch.rand(LENGTH) > 0.3).float()
    a_s, a_t = attention_map(q_s, k_s), attention_map(q_t, k_t)
    taken = alignment.taken
    inside = ((a_s @ alignment.matrix) + a_t * (1 - taken)) * scale
    wanted = (inside * on + a_t * (1 - on)) @ v_t
    fused = torch.nn.functional.scaled_dot_product_attention
    assert torch.allclose(mix(fused, q_s, k_s, q_t, k_t, v_t, alignment, scale, on), wanted, atol=2e-5)


def test_a_whole_edit_on_the_fused_kernel_equals_one_on_written_out_maps():
    technique = prompt_to_prompt(
        align_replace(CAT, DOG), cross=window(SIGMAS, 0, 0.8), self_attention=window(SIGMAS, 0, 0.5)
    )
    fused = edited(technique)
    assert torch.allclose(edited(technique, net=network(attention=explicit_attention)), fused, atol=1e-4)
    assert not torch.allclose(edited(), fused, atol=1e-2)


def test_self_replacement_is_the_sources_map_on_the_targets_values():
    (q_s, k_s, _), (q_t, k_t, v_t) = qkv(1, 36), qkv(2, 36)
    technique = prompt_to_prompt(align_refine(CAT, DOG), cross=NEVER, self_attention=WHOLE)
    bank = Bank()
    site = Site("b", "self", "cond", float(SIGMAS[0]), (1, 6, 6), range(0))
    technique.record(bank).apply(explicit_attention, q_s, k_s, v_t, site)
    out = technique.inject(bank).apply(explicit_attention, q_t, k_t, v_t, site)
    assert torch.equal(out, attention_map(q_s, k_s) @ v_t)


def test_a_prompt_shown_twice_by_the_host_is_read_once():
    (q_s, k_s, _), (q_t, k_t, v_t) = qkv(1, LENGTH), qkv(2, LENGTH)
    technique = prompt_to_prompt(align_replace(CAT, DOG), cross=WHOLE, self_attention=NEVER)
    site = Site("b", "cross", "cond", float(SIGMAS[0]), (1, 6, 6), range(LENGTH))
    bank = Bank()
    technique.record(bank).apply(explicit_attention, q_s, k_s, v_t, site)
    once = technique.inject(bank).apply(explicit_attention, q_t, k_t, v_t, site)
    k_two, v_two = (torch.cat([t, t], 2) for t in (k_t, v_t))
    assert torch.allclose(technique.inject(bank).apply(explicit_attention, q_t, k_two, v_two, site), once, atol=1e-6)
    with pytest.raises(ValueError, match="has 12 tokens, but the network attends to 13"):
        technique.inject(bank).apply(
            explicit_attention, q_t, *(torch.cat([t, t[:, :, :1]], 2) for t in (k_t, v_t)), site
        )


def test_the_unconditional_branch_is_left_alone():
    technique = prompt_to_prompt(align_refine(CAT, DOG), cross=WHOLE, self_attention=WHOLE)
    assert all(
        not make(Bank()).where(Site("b", kind, "uncond", 1.0, (1, 8, 8), range(12)))
        for make in (technique.record, technique.inject)
        for kind in ("self", "cross")
    )


def test_word_maps_are_the_columns_of_the_written_out_map():
    q, k, v = qkv(4, LENGTH)
    site = Site("b", "cross", "cond", 1.0, (1, 4, 9), range(LENGTH))
    maps = word_maps(torch.nn.functional.scaled_dot_product_attention, q, k, v, [(1, 2), (5,)], LENGTH, site)
    columns = attention_map(q, k).mean(1)
    assert maps.shape == (2, 2, 4, 9)
    assert torch.allclose(maps[:, 0].flatten(1), columns[..., [1, 2]].sum(-1), atol=1e-6)
    assert torch.allclose(maps[:, 1].flatten(1), columns[..., 5], atol=1e-6)


def test_more_words_than_a_head_has_channels_are_mapped_too():
    q, k, v = qkv(4, LENGTH)
    site = Site("b", "cross", "cond", 1.0, (1, 4, 9), range(LENGTH))
    maps = word_maps(explicit_attention, q, k, v, [(c,) for c in range(LENGTH)], LENGTH, site)
    assert v.shape[-1] < LENGTH
    assert torch.allclose(maps.flatten(2).movedim(1, 2), attention_map(q, k).mean(1), atol=1e-6)


SHORTER, LONGER = tokens("a cat"), tokens("a photo of a very big dog")


@pytest.mark.parametrize("mode", [align_refine, align_replace])
@pytest.mark.parametrize(("source", "target"), [(CAT, DOG), (LONGER, SHORTER), (SHORTER, LONGER), (CAT, CAT)])
def test_a_words_map_is_that_of_the_edited_attention(mode, source, target):
    """`w (alpha A_source[mapper] + (1 - alpha) A_target)`, which the published code stores for local blend; the source's is its own."""
    alignment, word = mode(source, target), target.words[-1].text
    technique = prompt_to_prompt(alignment, cross=WHOLE, self_attention=WHOLE, weights={word: 2.0})
    named = {"source_words": [source.words[-1].text], "target_words": [word]}
    blend = local_blend(source, target, **named, active=WHOLE, where=lambda site: True)
    (q_s, k_s, v_s), (q_t, k_t, v_t) = qkv(1, LENGTH), qkv(2, LENGTH)
    site = Site("b", "cross", "cond", float(SIGMAS[0]), (1, 4, 9), range(LENGTH))
    for order in ([technique, blend], [blend, technique]):
        bank = Bank()
        for role, (q, k, v) in (("record", (q_s, k_s, v_s)), ("inject", (q_t, k_t, v_t))):
            EditedCall(tuple(edits_of(order, bank, role))).attend(explicit_attention, q, k, v, [site])
        a_s, a_t = attention_map(q_s, k_s).mean(1), attention_map(q_t, k_t).mean(1)
        edited = 2 * (a_s @ alignment.matrix + a_t * (1 - alignment.taken))
        for name, written, columns in (
            ("source words", a_s, source.words[-1].columns),
            ("target words", edited, target.words[-1].columns),
        ):
            wanted = written[..., list(columns)].sum(-1).unflatten(1, (1, 4, 9))
            assert torch.allclose(mean_maps(bank, name), wanted, atol=1e-5)


def test_what_reads_attention_lies_outside_of_what_changes_it():
    """In whatever order they come; in the source pass, where nothing is changed, all keep theirs."""
    blend = local_blend(CAT, DOG, source_words=["cat"], target_words=["dog"], active=WHOLE, where=lambda site: True)
    techniques = [prompt_to_prompt(align_replace(CAT, DOG), cross=WHOLE, self_attention=WHOLE), blend]
    site, (q, k, v) = Site("b", "cross", "cond", float(SIGMAS[0]), (1, 6, 6), range(LENGTH)), qkv(1, LENGTH)
    asked, bank = {}, Bank()

    def spied(one, calls):
        return dataclasses.replace(one, apply=lambda *call: calls.append(one.name) or one.apply(*call))

    for role in ("record", "inject"):
        calls = asked.setdefault(role, [])
        EditedCall(tuple(spied(one, calls) for one in edits_of(techniques, bank, role))).attend(
            explicit_attention, q, k, v, [site]
        )
    assert asked == {
        "record": ["prompt-to-prompt, source", "maps of source words"],
        "inject": ["maps of target words", "prompt-to-prompt, target", "prompt-to-prompt, target"],
    }


def test_parts_of_a_prompt_have_words_of_their_own():
    """Two prompts joined: the words stand in the second, and the first, of another length, has none."""
    other = PromptTokens((), 5)
    technique = prompt_to_prompt(
        [align_refine(other, other), align_replace(CAT, DOG)], cross=WHOLE, self_attention=NEVER, weights={"dog": 2.0}
    )
    blend = local_blend(
        [other, CAT], [other, DOG], source_words=[], target_words=["dog"], active=WHOLE, where=lambda site: True
    )
    bank = Bank()
    for part, alignment, scale in ((0, align_refine(other, other), 1.0), (1, align_replace(CAT, DOG), 2.0)):
        length = alignment.source.length
        (q_s, k_s, v_s), (q_t, k_t, v_t) = qkv(part, length), qkv(part + 5, length)
        site = Site("b", "cross", "cond", float(SIGMAS[0]), (1, 6, 6), range(length), part=part)
        EditedCall(tuple(edits_of([technique, blend], bank, "record"))).attend(
            explicit_attention, q_s, k_s, v_s, [site]
        )
        out = EditedCall(tuple(edits_of([technique, blend], bank, "inject"))).attend(
            explicit_attention, q_t, k_t, v_t, [site]
        )
        weights = torch.ones(length)
        weights[[c for word in alignment.target.words[-1:] for c in word.columns]] = scale
        mixed = attention_map(q_s, k_s) @ alignment.matrix + attention_map(q_t, k_t) * (1 - alignment.taken)
        assert torch.allclose(out, (mixed * weights) @ v_t, atol=2e-5)
    assert len(bank.named("target words")) == 1
    with pytest.raises(ValueError, match="no word 'hat'"):
        prompt_to_prompt([align_refine(other, other)], cross=WHOLE, self_attention=NEVER, weights={"hat": 2.0})


def test_an_edit_of_a_part_that_does_not_act_has_nothing_to_edit():
    edit_of = AttentionEdit("second", lambda site: site.part == 1, lambda attend, q, k, v, site: attend(q, k, v))
    site, (q, k, v) = Site("b", "self", "cond", 1.0, (1, 6, 6), range(0)), qkv(1, 36)
    call = EditedCall((edit_of,))
    call.attend(explicit_attention, q, k, v, [site])
    call.check(absent=[1])
    EditedCall((edit_of,)).check(absent=[0])
    with pytest.raises(UnmatchedEdit, match="'second'"):
        call.check(absent=[0])


@pytest.mark.parametrize(("window", "grid"), [((0.0, 0.5, 1.0, 1.0), (1, 6, 6)), ((0.25, 0.0, 0.75, 0.5), (1, 4, 9))])
def test_a_map_and_a_mask_lie_where_the_prompts_area_does(window, grid):
    q, k, v = qkv(4, LENGTH)
    site = Site("b", "cross", "cond", 1.0, grid, range(LENGTH), window=window)
    maps = word_maps(explicit_attention, q, k, v, [(5,)], LENGTH, site)
    top, left, bottom, right = window
    height, width = round(grid[1] / (bottom - top)), round(grid[2] / (right - left))
    inside = maps[..., round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    assert maps.shape == (2, 1, height, width)
    assert torch.allclose(inside[:, 0].flatten(1), attention_map(q, k).mean(1)[..., 5], atol=1e-6)
    assert torch.allclose(maps.sum(), inside.sum())
    mask = torch.zeros(1, 1, height, width)
    mask[..., round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = 1
    assert bool((share_inside(mask, site, 1) == 1).all())


def test_recording_maps_is_bit_identical_to_none_and_fills_the_bank():
    bank = Bank()
    x, sigma = torch.randn(2, 4, 8, 8), SIGMAS[2]
    plain = network()(x, sigma, GUIDED)
    assert torch.equal(network().edited(record_maps("m", [(1,)], LENGTH)(bank))(x, sigma, GUIDED), plain)
    assert mean_maps(bank, "m").shape == (2, 1, 8, 8)
    with pytest.raises(LookupError, match="'other'"):
        mean_maps(bank, "other")


def test_an_edit_that_meets_no_site_raises():
    nowhere = AttentionEdit(
        "nowhere", lambda site: site.block == "absent", lambda attend, q, k, v, site: attend(q, k, v)
    )
    with pytest.raises(UnmatchedEdit, match=r"nowhere.*cross block\.cross 8x8"):
        network().edited(nowhere)(torch.randn(1, 4, 8, 8), SIGMAS[0], GUIDED)
    with pytest.raises(UnmatchedEdit, match="maps"):
        edited(
            local_blend(CAT, DOG, source_words=["cat"], target_words=["dog"], active=WHOLE), of=trajectory((1, 4, 4, 4))
        )


def test_what_the_source_did_not_record_is_named():
    with pytest.raises(LookupError, match=r"part 1,? of block b at sigma 2\.5"):
        Bank().recall("x", Site("b", "self", "cond", 2.5, (1, 8, 8), range(0), part=1))


@pytest.mark.parametrize("size", [(8, 8), (16, 16), (64, 64)])
def test_mask_zero_is_the_source_and_mask_one_the_target(size):
    of = trajectory()
    assert torch.equal(edited(mask_blend(torch.zeros(1, 1, *size)), of=of), of.xs[-1])
    assert torch.equal(edited(mask_blend(torch.ones(2, 1, *size)), of=of), edited(of=of))


def test_a_mask_keeps_the_source_outside_bit_for_bit():
    of, mask = trajectory((2, 4, 8, 12)), torch.zeros(1, 1, 8, 12)
    mask[..., :5] = 1
    out = edited(mask_blend(mask), of=of)
    assert torch.equal(out[..., 5:], of.xs[-1][..., 5:])
    assert (out[..., :5] - of.xs[-1][..., :5]).abs().mean() > 0.01


def test_masks_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"0\.\.1"):
        mask_blend(torch.full((1, 1, 4, 4), 2.0))


@pytest.mark.parametrize("shape", [(1, 4, 8, 8), (2, 4, 8, 24), (1, 4, 30, 10)])
def test_local_blend_keeps_the_source_where_no_word_draws_attention(shape):
    of = trajectory(shape)
    technique = local_blend(CAT, DOG, source_words=["cat"], target_words=["dog"], active=WHOLE, threshold=0.9)
    out = edited(technique, of=of)
    kept = (out == of.xs[-1]).all(1)
    assert kept.any() and not kept.all()
    everywhere = local_blend(CAT, DOG, source_words=[], target_words=["dog"], active=WHOLE, threshold=0.0)
    assert torch.equal(edited(everywhere, of=of), edited(of=of))


def test_local_blend_names_the_words_there_are():
    with pytest.raises(ValueError, match=r"no word 'fox'. Its words are: a, photo, of, a, cat"):
        local_blend(CAT, DOG, source_words=["fox"], target_words=[], active=WHOLE)
    with pytest.raises(ValueError, match="at least one word"):
        local_blend(CAT, DOG, source_words=[], target_words=[], active=WHOLE)


def test_region_is_widened_and_cut_at_the_threshold():
    maps = torch.zeros(1, 1, 8, 8)
    maps[0, 0, 4, 4] = 1.0
    mask = region(maps, (16, 16), 0.3)
    assert mask.sum() == 36 and mask[0, 0, 6:12, 6:12].all()
