"""Prompt-to-Prompt and word maps where words and picture share one attention call: against maps that are written out."""

from dataclasses import replace

import pytest
import torch

from harness.networks import attention_map, explicit_attention
from harness.prompts import tokens
from latent_inversion.inversion_core.attention.bank import Bank
from latent_inversion.inversion_core.attention.edited_call import EditedCall
from latent_inversion.inversion_core.attention.maps import clearest, legible, mean_maps, record_maps, word_maps
from latent_inversion.inversion_core.attention.site import AttentionEdit, Site
from latent_inversion.inversion_core.loops.edit import edits_of
from latent_inversion.inversion_core.prompts.tokens import align_refine, align_replace
from latent_inversion.inversion_core.techniques.injection import inject_keys_values
from latent_inversion.inversion_core.techniques.local_blend import local_blend
from latent_inversion.inversion_core.techniques.prompt_to_prompt import coarse, prompt_to_prompt
from latent_inversion.inversion_core.types import SigmaRange

ALWAYS, NEVER = SigmaRange(high=1.0, low=0.0), SigmaRange(high=0.0, low=1.0)
GRID, IMAGE = (1, 4, 9), 36


def site(text, *, text_first, beside=0, **changes):
    """A joint call with `text` tokens of text before or behind those of the picture; `beside` more tokens end the row."""
    columns = range(text) if text_first else range(IMAGE, IMAGE + text)
    return Site(
        **{"block": "double.0", "kind": "joint", "branch": "cond", "sigma": 0.5} | changes, grid=GRID, text=columns
    )


def qkv(seed, count):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, count, 8, generator=generator) for _ in range(3)]


def run(technique, source, target, at, at_source=None):
    """What the target's call gives when the source's has been recorded, both on `explicit_attention`."""
    bank = Bank()
    recorded = technique.record(bank).apply(explicit_attention, *source, at_source or at)
    assert torch.equal(recorded, explicit_attention(*source))
    return technique.inject(bank).apply(explicit_attention, *target, at)


@pytest.mark.parametrize("text_first", [True, False])
@pytest.mark.parametrize("mode", [align_refine, align_replace])
@pytest.mark.parametrize("self_attention", [ALWAYS, NEVER], ids=["self", "no self"])
@pytest.mark.parametrize("cross", [ALWAYS, NEVER], ids=["cross", "no cross"])
@pytest.mark.parametrize("lengths", [(12, 12), (12, 9)], ids=str)
@pytest.mark.parametrize("beside", [0, 5], ids=["", "more tokens"])
def test_joint_control_is_that_of_the_written_out_maps(beside, lengths, cross, self_attention, mode, text_first):
    """Columns of the words and of the picture, for the picture's rows; every other row is the target's own."""
    ours, theirs = lengths
    source_words, target_words = tokens("a photo of a cat", ours), tokens("a big dog", theirs, {"dog": 2})
    source, target = qkv(1, ours + IMAGE + beside), qkv(2, theirs + IMAGE + beside)
    alignment = mode(source_words, target_words)
    technique = prompt_to_prompt(alignment, cross=cross, self_attention=self_attention, weights={"dog": 2.5})
    at, at_source = site(theirs, text_first=text_first), site(ours, text_first=text_first)
    out = run(technique, source, target, at, at_source)

    a_s, a_t = attention_map(*source[:2]), attention_map(*target[:2])
    from_source, own = a_s[:, :, at_source.image], a_t[:, :, at.image]
    scale = torch.ones(theirs)
    scale[list(target_words.columns_of("dog"))] = 2.5
    text, text_source = (slice(s.text.start, s.text.stop) for s in (at, at_source))
    rest = [n for n in range(own.shape[-1]) if n not in at.text]
    rest_source = [n for n in range(from_source.shape[-1]) if n not in at_source.text]
    edited = own.clone()
    if cross is ALWAYS:
        mixed = from_source[..., text_source] @ alignment.matrix + own[..., text] * (1 - alignment.taken)
        edited[..., text] = mixed * scale
    if self_attention is ALWAYS:
        edited[..., rest] = from_source[..., rest_source]
    wanted = a_t @ target[2]
    wanted[:, :, at.image] = edited @ target[2]
    torch.testing.assert_close(out, wanted, rtol=1e-5, atol=2e-5)
    assert (
        out[:, :, at.image] - (a_t @ target[2])[:, :, at.image]
    ).abs().max() > 1e-2 or cross is self_attention is NEVER


@pytest.mark.parametrize("text_first", [True, False])
def test_equal_prompts_give_the_sources_rows_and_one_call_each(text_first):
    """All is taken over: one call for the picture's rows, one for the words'."""
    source, words, calls = qkv(1, 12 + IMAGE), tokens("a photo of a cat", 12), []

    def counted(q, k, v):
        calls.append(q.shape[2])
        return explicit_attention(q, k, v)

    at, bank = site(12, text_first=text_first), Bank()
    technique = prompt_to_prompt(align_replace(words, words), cross=ALWAYS, self_attention=ALWAYS)
    technique.record(bank).apply(explicit_attention, *source, at)
    out = technique.inject(bank).apply(counted, *source, at)
    torch.testing.assert_close(out, explicit_attention(*source), rtol=1e-5, atol=1e-6)
    assert sorted(calls) == [12, IMAGE]


@pytest.mark.parametrize("text_first", [True, False])
def test_a_words_map_is_that_of_the_word_under_edits_that_bring_values(text_first):
    """K/V injection and Prompt-to-Prompt in one call: what they bring is no part of the word's map."""
    words, at = tokens("a photo of a cat", 12), site(12, text_first=text_first)
    source, target = qkv(1, 12 + IMAGE), qkv(2, 12 + IMAGE)
    injected = inject_keys_values(where=lambda one: True, active=ALWAYS)
    blend = local_blend(words, words, source_words=["cat"], target_words=["cat"], active=ALWAYS)
    for techniques in ([injected, blend], [blend, injected]):
        bank = Bank()
        for role, call in (("record", source), ("inject", target)):
            EditedCall(tuple(edits_of(techniques, bank, role))).attend(explicit_attention, *call, [at])
        keys = target[1].clone()
        keys[:, :, at.image] = source[1][:, :, at.image]
        written = attention_map(target[0], keys)[:, :, at.image, at.text.start + 5].mean(1)
        torch.testing.assert_close(mean_maps(bank, "target words")[:, 0].flatten(1), written, rtol=1e-5, atol=1e-6)


def test_a_call_outside_both_windows_is_bit_identical_to_none():
    words, source, target = tokens("a cat", 12), qkv(1, 12 + IMAGE), qkv(2, 12 + IMAGE)
    technique = prompt_to_prompt(align_replace(words, words), cross=NEVER, self_attention=NEVER, weights={"cat": 3.0})
    assert torch.equal(run(technique, source, target, site(12, text_first=False)), explicit_attention(*target))


def test_which_joint_calls_give_their_shapes_is_a_choice():
    """Where the picture's columns stay, only the words' are taken."""
    words, source, target = tokens("a cat", 12), qkv(1, 12 + IMAGE), qkv(2, 12 + IMAGE)
    both = {"cross": ALWAYS, "self_attention": ALWAYS}
    kept = run(
        prompt_to_prompt(align_replace(words, words), **both, self_where=lambda at: False),
        source,
        target,
        site(12, text_first=True),
    )
    plain = prompt_to_prompt(align_replace(words, words), cross=ALWAYS, self_attention=NEVER)
    assert torch.equal(kept, run(plain, source, target, site(12, text_first=True)))


def test_a_prompt_of_another_length_than_the_networks_is_refused():
    words, source, target = tokens("a cat", 12), qkv(1, 12 + IMAGE), qkv(2, 12 + IMAGE)
    technique = prompt_to_prompt(align_replace(tokens("a cat", 11), words), cross=ALWAYS, self_attention=NEVER)
    with pytest.raises(ValueError, match="aligned over 11 tokens, but the network attends to 12 text tokens"):
        run(technique, source, target, site(12, text_first=True))
    with pytest.raises(ValueError, match="over 10 tokens"):
        record_maps("m", [(1,)], 10)(Bank()).apply(explicit_attention, *target, site(12, text_first=True))


@pytest.mark.parametrize("text_first", [True, False])
def test_word_maps_of_joint_attention_are_the_pictures_rows_and_the_words_columns(text_first):
    q, k, v = qkv(4, 12 + IMAGE)
    at = site(12, text_first=text_first)
    maps = word_maps(torch.nn.functional.scaled_dot_product_attention, q, k, v, [(1, 2), (5,)], 12, at)
    written = attention_map(q, k).mean(1)[:, at.image]
    columns = written[..., list(at.text)]
    assert maps.shape == (2, 2, 4, 9)
    torch.testing.assert_close(maps[:, 0].flatten(1), columns[..., [1, 2]].sum(-1), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(maps[:, 1].flatten(1), columns[..., 5], rtol=1e-5, atol=1e-7)


def test_transformers_are_read_and_controlled_at_every_size():
    def of(block, kind, side):
        return Site(block, kind, "cond", 0.5, (1, side, side), range(12) if kind != "self" else range(0))

    assert coarse(of("double.3", "self", 64)) and not coarse(of("input.1.0", "self", 64))
    assert legible(of("single.3", "joint", 64)) and legible(of("double.3", "cross", 64))
    assert legible(of("double.3", "joint", 4)) and not legible(of("double.3", "self", 16))
    assert not legible(of("input.1.0", "cross", 64)) and not legible(of("input.1.0", "cross", 4))


def test_words_are_read_in_the_published_blocks_of_a_network_that_is_known():
    def at(block):
        return Site(block, "joint", "cond", 0.5, GRID, range(12))

    def names(kind, count):
        return [f"{kind}.{number}" for number in range(count)]

    flux = clearest([*names("double", 19), *names("single", 38)])
    assert [n for n in range(19) if flux(at(f"double.{n}"))] == [11, 12, 14, 17, 18]
    assert not any(flux(at(f"single.{n}")) for n in range(38))
    assert not flux(replace(at("double.18"), branch="uncond"))
    for blocks in (names("double", 4), ["input.1.0"], [*names("double", 19), *names("single", 37)]):
        assert all(clearest(blocks)(at(block)) for block in names("double", 4))


@pytest.mark.parametrize("text_first", [True, False])
def test_local_blend_reads_joint_attention(text_first):
    """The region is where the word's column is strong."""
    words, bank = tokens("a cat", 12), Bank()
    q, k, v = qkv(4, 12 + 64)
    columns = range(12) if text_first else range(64, 76)
    at = Site("double.0", "joint", "cond", 0.5, (1, 8, 8), columns)
    picture = q[:, :, at.image].zero_().unflatten(2, (8, 8))
    picture[:, :, 2:4, 4:7] = 4 * k[:, :, columns.start + 2, None, None]
    technique = local_blend(words, words, source_words=["cat"], target_words=[], active=ALWAYS)
    technique.record(bank).apply(explicit_attention, q, k, v, at)
    ours, theirs = torch.zeros(2, 4, 8, 8), torch.ones(2, 4, 8, 8)
    out, _ = technique.blend(theirs, ours, 0.5, bank, None)
    assert out[:, :, 1:5, 3:8].all() and out.sum() == 2 * 4 * 4 * 5


@pytest.mark.parametrize("text_first", [True, False])
def test_edits_inside_control_see_all_rows_and_change_nothing_of_it(text_first):
    """Edits chain: one inside is asked for the rows that it knows, and what passes all on gives the same bits but for order."""
    words, source, target = tokens("a photo of a cat", 12), qkv(1, 12 + IMAGE), qkv(2, 12 + IMAGE)
    at, rows = site(12, text_first=text_first), []

    def inner(attend, q, k, v, site):
        rows.append(q.shape[2])
        return attend(q, k, v)

    alignment = align_refine(words, tokens("a photo of a dog", 12))
    technique = prompt_to_prompt(alignment, cross=ALWAYS, self_attention=ALWAYS)
    bank = Bank()
    technique.record(bank).apply(explicit_attention, *source, at)
    alone = technique.inject(bank).apply(explicit_attention, *target, at)
    chained = EditedCall((technique.inject(bank), AttentionEdit("inner", lambda at: True, inner)))
    torch.testing.assert_close(chained.attend(explicit_attention, *target, [at]), alone, rtol=1e-5, atol=1e-6)
    assert set(rows) == {12 + IMAGE}


@pytest.mark.parametrize("text_first", [True, False])
@pytest.mark.parametrize("mode", [align_refine, align_replace])
@pytest.mark.parametrize("self_attention", [ALWAYS, NEVER], ids=["self", "no self"])
def test_values_that_an_edit_inside_brings_count_once(self_attention, mode, text_first):
    """A style shown beside the picture: its columns come, like the picture's own, from the source or from the target."""
    words, source, target = tokens("a photo of a cat", 12), qkv(1, 12 + IMAGE), qkv(2, 12 + IMAGE)
    at, bank, (_, k_style, v_style) = site(12, text_first=text_first), Bank(), qkv(3, IMAGE)

    def beside(k):
        return torch.cat([k, k_style], 2)

    def style(attend, q, k, v, site):
        return attend(q, beside(k), torch.cat([v, v_style], 2))

    alignment = mode(words, tokens("a photo of a big dog", 12))
    technique = prompt_to_prompt(alignment, cross=ALWAYS, self_attention=self_attention)
    technique.record(bank).apply(explicit_attention, *source, at)
    chained = EditedCall((technique.inject(bank), AttentionEdit("style", lambda at: True, style)))
    out = chained.attend(explicit_attention, *target, [at])

    a_s, a_t = (attention_map(q[:, :, at.image], beside(k)) for q, k, _ in (source, target))
    wanted = (a_s if self_attention is ALWAYS else a_t).clone()
    text = slice(at.text.start, at.text.stop)
    wanted[..., text] = a_s[..., text] @ alignment.matrix + (1 - alignment.taken) * a_t[..., text]
    values = torch.cat([target[2], v_style], 2)
    torch.testing.assert_close(out[:, :, at.image], wanted @ values, rtol=1e-4, atol=1e-5)
