"""Clips edited with models of pictures: chunks, frames that look at each other, TokenFlow, windows."""

import math
from itertools import pairwise

import pytest
import torch

from harness.networks import AttentionNetwork
from latent_inversion.inversion_core.applications.video import WAYS, made
from latent_inversion.inversion_core.attention.bank import Bank
from latent_inversion.inversion_core.attention.site import AttentionEdit, Site
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.chunked import Chunked, chunks_of
from latent_inversion.inversion_core.loops.clip import edit_clip, windows
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import Edit, Target
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_refine
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas, window
from latent_inversion.inversion_core.techniques import cross_frame as across
from latent_inversion.inversion_core.techniques import token_flow as flow
from latent_inversion.inversion_core.techniques.local_blend import local_blend
from latent_inversion.inversion_core.techniques.prompt_to_prompt import prompt_to_prompt
from latent_inversion.inversion_core.types import Cond, EditableDenoiser

SIGMAS = leading(scaled_linear_sigmas(), 4)
SOURCE, TARGET, EMPTY = (torch.full((1, 5, 4), value) for value in (0.6, -0.5, 0.0))
TOKENS = PromptTokens(tuple(Word(str(i), (i,)) for i in range(1, 4)), 5)
CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def clip(frames: int) -> torch.Tensor:
    """A random picture that moves to the right, a column a frame."""
    whole = torch.randn(1, 4, 8, 8 + frames, generator=torch.Generator().manual_seed(0))
    return torch.cat([whole[..., frames - i : frames - i + 8] for i in range(frames)])


def inverted(x0: torch.Tensor, inversion: str = "ddim"):
    return invert(INVERSIONS[inversion], AttentionNetwork(), x0, SIGMAS, Cond(SOURCE))


def guided(prompt: torch.Tensor) -> Cond:
    return Cond(prompt, EMPTY, 5.0)


def still_techniques():
    whole = window(SIGMAS, 0, 1)
    blend = local_blend(TOKENS, TOKENS, source_words=["1"], target_words=["2"], active=whole)
    half = window(SIGMAS, 0, 0.5)
    return [blend, prompt_to_prompt(align_refine(TOKENS, TOKENS), cross=whole, self_attention=half)]


def edited(trajectory, way="token flow", techniques=(), *, spacing=2, most=24, together=2, target=None, on_step=None):
    plan = windows(trajectory.shape[0], spacing=spacing, most=most)
    make = made(way, lambda _: techniques, together=together)
    source, target = guided(SOURCE), target or guided(TARGET)
    edit = Edit(trajectory, AttentionNetwork(), source, [Target(target)])
    return edit_clip(edit, plan, make, on_step=on_step)


def still(trajectory, techniques=()):
    targets = [Target(guided(TARGET), techniques)]
    return Edit(trajectory, AttentionNetwork(), guided(SOURCE), targets, anchor=direct).run()[0]


def test_chunks_are_the_whole_and_say_which_rows_they_are():
    x, seen = clip(5), []

    def apply(attend, q, k, v, site):
        seen.append((site.branch, site.rows, len(q)))
        return attend(q, k, v)

    chunked = Chunked(AttentionNetwork(), ((4, 0), (1, 2), (3,)))
    assert isinstance(chunked, EditableDenoiser)
    watched = chunked.edited(AttentionEdit("watch", lambda site: site.kind == "self", apply))
    whole = AttentionNetwork()(x, SIGMAS[1], guided(TARGET))
    assert torch.allclose(watched(x, SIGMAS[1], guided(TARGET)), whole, **CLOSE)
    assert {rows for _, rows, _ in seen} == {(4, 0), (1, 2), (3,)} and len(seen) == 6
    assert all(len(rows) == count for _, rows, count in seen)


@pytest.mark.parametrize("chunks", [((0,), (0, 1)), ((0, 2),), ((0,), ())])
def test_chunks_that_miss_or_repeat_a_row_are_refused(chunks):
    with pytest.raises(ValueError, match="every row of a batch once"):
        Chunked(AttentionNetwork(), chunks)


def test_key_frames_come_first_and_no_chunk_is_larger_than_asked():
    assert chunks_of((0, 3, 6), 7, 3) == ((0, 3, 6), (1, 2, 4), (5,))
    assert chunks_of((), 5, 2) == ((0, 1), (2, 3), (4,))


def test_a_bank_gives_back_the_rows_that_are_asked_for():
    bank, whole = Bank(), torch.arange(5.0).view(5, 1, 1, 1)
    site = Site("b", "self", "cond", 1.0, (1, 1, 1), range(0))
    for rows in ((0, 3), (1, 2, 4)):
        bank.record("kept", site.of(rows), whole[list(rows)])
    assert torch.equal(bank.recall("kept", site)[0], whole) and torch.equal(bank.named("kept")[0][0], whole)
    assert bank.recall("kept", site.of((4, 3)))[0].flatten().tolist() == [4, 3]
    bank.record("whole", site, whole)
    assert bank.recall("whole", site.of((2, 1)))[0].flatten().tolist() == [2, 1]
    with pytest.raises(LookupError):
        bank.recall("kept", site.of((5,)))


def test_other_techniques_edit_chunks_as_they_edit_the_whole():
    trajectory = inverted(clip(5))
    whole = still(trajectory, still_techniques())
    parts = edited(trajectory, "each frame", still_techniques())
    assert torch.allclose(parts.target, whole.target, **CLOSE)
    assert not torch.allclose(whole.target, still(trajectory).target, atol=1e-2)


@pytest.mark.parametrize("way", WAYS)
def test_one_frame_is_edited_as_a_still_picture(way):
    trajectory = inverted(clip(1))
    for techniques in ([], still_techniques()):
        assert torch.equal(edited(trajectory, way, techniques).target, still(trajectory, techniques).target)


@pytest.mark.parametrize("way", WAYS)
def test_frames_of_a_static_clip_stay_alike(way):
    target = edited(inverted(clip(1).repeat(5, 1, 1, 1)), way, still_techniques()).target
    assert torch.allclose(target, target[:1].expand_as(target), **CLOSE)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "each frame"])
def test_frames_know_of_each_other(way):
    trajectory = inverted(clip(5))
    assert not torch.allclose(edited(trajectory, way).target, still(trajectory).target, atol=1e-3)


def test_the_source_prompt_gives_the_clip_back():
    trajectory = inverted(clip(6), "fixed point")
    for way, nearly in (("token flow", True), ("token flow, as published", False)):
        error = (edited(trajectory, way, target=Cond(SOURCE)).target - trajectory.xs[-1]).abs().max()
        assert (error < 0.1) == nearly


def test_a_clip_played_backwards_is_edited_backwards():
    trajectory = inverted(clip(5))
    forth = edited(trajectory, techniques=still_techniques()).target
    back = edited(trajectory.rows(range(4, -1, -1)), techniques=still_techniques()).target
    assert torch.allclose(forth, back.flip(0), **CLOSE) and not torch.allclose(forth, back, atol=1e-2)


def test_every_frame_attends_to_what_it_sees():
    generator = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(4, 2, 6, 3, generator=generator) for _ in range(3))
    site = Site("b", "self", "cond", 1.0, (1, 2, 3), range(0))
    for sees in (across.key_frames((0, 3)), across.first_and_previous):
        edit = across.cross_frame(sees).inject(Bank())
        found = edit.apply(torch.nn.functional.scaled_dot_product_attention, q, k, v, site)
        for row in range(4):
            keys, values = (torch.cat([t[other] for other in sees(row)], 1) for t in (k, v))
            wanted = (q[row] @ keys.mT / 3**0.5).softmax(-1) @ values
            assert torch.allclose(found[row], wanted, atol=1e-5)


def test_matches_follow_the_motion():
    generator = torch.Generator().manual_seed(2)
    whole = torch.randn(8, 10, 6, generator=generator)
    here, there = (whole[:, shift : shift + 8].reshape(1, 1, 64, 6) for shift in (1, 0))
    found = flow.matches(here, there, (8, 8)).view(8, 8)
    assert torch.equal(found[:, :7], (torch.arange(64).view(8, 8) + 1)[:, :7])


def test_the_published_match_does_not_ask_where_a_token_lies():
    still, turned = torch.eye(64)[None, None], torch.eye(64).flip(0)[None, None]
    site = Site("block", "self", "cond", 1.0, (1, 8, 8), range(0))

    def found(way: str) -> torch.Tensor:
        (technique,), bank = WAYS[way].techniques((0, 2)), Bank()
        assert technique.record is not None
        record = technique.record(bank).apply
        for rows, tokens in (((0, 2), still.expand(2, -1, -1, -1)), ((1,), turned)):
            record(lambda q, k, v: v, tokens, tokens, tokens, site.of(rows))
        return bank.recall("TokenFlow source", site.of((1,)))[0]

    there = torch.arange(64).flip(0)
    assert torch.equal(found("token flow, as published"), there.expand(1, 2, 64))
    assert not torch.equal(found("token flow"), there.expand(1, 2, 64))


def test_weights_in_time():
    keys = (0, 4, 8)
    assert flow.two_nearest_as_published(4, keys) == [0.0, 1.0, 0.0]
    published = flow.two_nearest_as_published(1, keys)
    assert 0.5 < published[0] < 0.732 and sum(published) == pytest.approx(1)
    nearer = 1 / (
        1 + math.exp(-3 / 4)
    )  # the sigmoid of the other key frame's share of the distance, before and after alike
    assert published == pytest.approx([nearer, 1 - nearer, 0])
    assert flow.two_nearest_as_published(3, keys) == pytest.approx([1 - nearer, nearer, 0])
    assert flow.two_nearest_as_published(8, keys) == [0, 0, 1] and sum(flow.all_alike(3, keys)) == pytest.approx(1)


@pytest.mark.parametrize(("frames", "spacing", "most"), [(1, 4, 6), (2, 4, 6), (9, 4, 6), (30, 3, 8), (31, 5, 24)])
def test_windows_cover_a_clip_and_are_no_larger_than_asked(frames, spacing, most):
    plan = windows(frames, spacing=spacing, most=most)
    new = [f for w in plan for f in w.frames if f not in w.carried]
    assert new == list(range(frames)) and max(len(w.frames) for w in plan) <= most
    for before, after in pairwise(plan):
        assert set(after.carried) == {0, before.frames[-1]} and set(after.carried) <= set(after.keys)
        assert set(after.carried) <= set(before.keys)
    keys = sorted({key for w in plan for key in w.keys})
    assert keys[0] == 0 and keys[-1] == frames - 1 and all(b - a <= spacing for a, b in pairwise(keys))


def test_windows_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="at least 2 frames more"):
        windows(9, spacing=4, most=5)


@pytest.mark.parametrize("way", WAYS)
def test_windows_do_not_change_what_was_edited_before_them(way):
    trajectory = inverted(clip(11))
    whole = edited(trajectory, way, still_techniques(), spacing=2, most=6).target
    first = edited(trajectory.rows(range(5)), way, still_techniques(), spacing=2, most=6).target
    plan = windows(11, spacing=2, most=6)
    assert plan[0].frames[-1] > 0 and len(plan) > 2
    kept = [f for f in plan[0].frames if f < 5]
    assert torch.equal(whole[kept], first[kept])


def test_a_longer_clip_needs_no_more_memory(monkeypatch):
    sizes, batches, call = [], [], AttentionNetwork.__call__

    def watched(network, x, sigma, cond):
        batches.append(len(x))
        return call(network, x, sigma, cond)

    trajectories = [inverted(clip(frames)) for frames in (13, 25)]
    monkeypatch.setattr(AttentionNetwork, "__call__", watched)
    peaks = []
    for trajectory in trajectories:
        told = {"on_step": lambda progress: sizes.append(sum(progress.banked.values()))}
        edited(trajectory, techniques=still_techniques(), spacing=2, most=7, together=2, **told)
        peaks.append((max(sizes), max(batches)))
        sizes.clear(), batches.clear()
    assert peaks[0] == peaks[1] and peaks[0][0] > 0 and peaks[0][1] <= 4


def test_progress_counts_the_whole_clip():
    seen = []
    edited(inverted(clip(9)), spacing=2, most=6, on_step=seen.append)
    total = len(windows(9, spacing=2, most=6)) * 4
    assert [p.index for p in seen] == list(range(total)) and {p.total for p in seen} == {total}
    assert seen[-1].x.shape[0] == len(windows(9, spacing=2, most=6)[-1].frames)
