"""What the core's loops tell of where they are: one run from start to end, and the clean source beside the edit."""

import pytest
import torch

from harness.edits import edit
from harness.networks import Mixture
from latent_inversion.inversion_core.applications.compare import compare, fitting
from latent_inversion.inversion_core.applications.diff_edit import diff_edit_mask
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import unanchored
from latent_inversion.inversion_core.methods import EditJob
from latent_inversion.inversion_core.methods.uni_edit import uni_edit_mask
from latent_inversion.inversion_core.progress import Progress, within
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas
from latent_inversion.inversion_core.types import Cond

STEPS = 4
SIGMAS = leading(scaled_linear_sigmas(), STEPS)
SOURCE, TARGET, EMPTY = torch.full((1, 5, 4), 0.6), torch.full((1, 5, 4), -0.5), torch.zeros(1, 5, 4)
GUIDED = Cond(TARGET, EMPTY, 3.0)
X0 = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def trajectory():
    return invert(INVERSIONS["ddim"], Mixture(), X0, SIGMAS, Cond(SOURCE))


def test_parts_of_parts_take_their_share_of_the_whole():
    seen = []
    told = within(within(seen.append, 0.5, 0.5, "method"), 0.2, 0.4, "stage")
    told(Progress("edit", 1, 4, 1.0, X0, X0))
    part = seen[0].part
    assert (part.before, part.length) == pytest.approx((0.6, 0.2)) and part.name == "method"
    assert seen[0].done == pytest.approx(0.7)
    assert within(None, 0.0, 1.0) is None


def test_a_comparison_is_one_run_that_never_goes_back():
    seen, settings = [], []

    def conds(wanted):
        settings.append(wanted)
        return Cond(SOURCE, EMPTY, wanted.source_guidance), Cond(TARGET, EMPTY, wanted.guidance)

    job = EditJob(Mixture(), X0, SIGMAS, Cond(SOURCE), GUIDED, on_step=seen.append)
    names = fitting(Mixture())
    list(compare(job, names, conds))
    places = [progress.done for progress in seen]
    assert places == sorted(places) and places[0] > 0 and places[-1] == pytest.approx(1.0)
    assert list(dict.fromkeys(progress.part.name for progress in seen)) == names
    assert {progress.stage for progress in seen if progress.part.name == "null-text"} == {"null-text", "edit"}


@pytest.mark.parametrize("anchor", [direct, unanchored], ids=["direct", "none"])
def test_an_edit_shows_its_clean_source_and_ends_with_what_it_gives(anchor):
    of, seen = trajectory(), []
    edited = edit(of, Mixture(), Cond(SOURCE, EMPTY, 3.0), GUIDED, anchor=anchor, on_step=seen.append)
    if anchor is direct:  # the network was not asked for the source: the picture itself is known
        assert all(torch.equal(progress.source, of.xs[-1]) for progress in seen)
    else:  # predictions under guidance, which are not the noisy latents
        assert all(
            not torch.equal(progress.source, x) for progress, x in zip(seen[:-1], edited.source[1:], strict=False)
        )
    assert torch.equal(seen[-1].x0, edited.target) and torch.equal(seen[-1].source, edited.source[-1])


def test_the_same_prompt_on_both_sides_shows_the_same_picture():
    guided, seen = Cond(SOURCE, EMPTY, 3.0), []
    edit(trajectory(), Mixture(), guided, guided, on_step=seen.append)
    assert len(seen) == STEPS and all(torch.equal(progress.source, progress.x0) for progress in seen)


def test_a_mask_tells_each_comparison():
    of, seen = trajectory(), []
    diff_edit_mask(Mixture(), X0, SIGMAS[1], Cond(SOURCE), Cond(TARGET), noisings=3, on_step=seen.append)
    states = list(zip(of.xs[:-1], of.sigmas[:-1], strict=True))
    uni_edit_mask(Mixture(), states, Cond(SOURCE), Cond(TARGET), on_step=seen.append)
    assert [(p.stage, p.index, p.total) for p in seen] == [
        ("mask", n, total) for total in (3, STEPS) for n in range(total)
    ]
    assert all(p.source is not None and not torch.equal(p.source, p.x0) for p in seen)
