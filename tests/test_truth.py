"""How near an edit came to its true picture: what passes for the change, and what must not."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from latent_inversion.toybox.truth import nearness
from latent_inversion.toybox.world import KINDS, held_out_edits, render

EDITS = held_out_edits(2 * len(KINDS))
NIGHT = [
    edit for edit in held_out_edits(60, kinds=["time"]) if edit.target.time == "night" and edit.source.time == "day"
]


def drawn(edits: list) -> tuple[Tensor, Tensor]:
    return render([edit.source for edit in edits]).float(), render([edit.target for edit in edits]).float()


def test_there_are_days_that_become_nights() -> None:
    assert len(NIGHT) >= 5


@pytest.mark.parametrize("gain", [1.2, 1.5, 0.9])
def test_a_day_made_brighter_or_a_little_darker_is_no_night(gain: float) -> None:
    before, truth = drawn(NIGHT)
    found = nearness(before, (gain * before).clamp(0, 1), truth)
    assert all("time: night" in one.missing for one in found)
    assert all(str(one).startswith("The change is missing (time: night): the edit is ") for one in found)


def test_the_true_edit_is_right_and_the_picture_itself_is_not() -> None:
    before, truth = drawn(EDITS)
    right, unchanged = nearness(before, truth, truth), nearness(before, before, truth)
    assert sum(not one.missing for one in right) >= len(EDITS) - 1, "the judge reads 23 of 24 rightly"
    assert all(one.inside == torch.inf for one in right)
    assert sum(bool(one.missing) for one in unchanged) >= len(EDITS) - 1
    assert all(one.inside < 30 for one in unchanged)
    assert all(one.outside is None or one.outside > 30 for one in unchanged)


def test_a_near_edit_is_nearer_than_a_far_one() -> None:
    before, truth = drawn(EDITS)
    near, far = (nearness(before, truth + share * (before - truth), truth) for share in (0.1, 0.5))
    assert all(a.inside > b.inside for a, b in zip(near, far, strict=True))


def test_pictures_of_other_sizes_have_figures_alone() -> None:
    before, truth = (F.interpolate(one, scale_factor=2) for one in drawn(EDITS[:2]))
    for one in nearness(before, before, truth):
        assert (
            one.wanted is None and one.inside is not None and "dB from the truth where the change belongs" in str(one)
        )


def test_where_nothing_is_to_change_only_the_rest_counts() -> None:
    before, _ = drawn(EDITS[:1])
    (found,) = nearness(before, before * 0.9, before)
    assert found.inside is None and found.outside is not None and found.wanted == ()
