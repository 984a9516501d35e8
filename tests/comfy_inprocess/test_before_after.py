"""Before / After: pictures that go together or do not, and the sentences of its verdict."""

import math

import pytest
import torch

from latent_inversion.nodes.looking import before_after, report, report_verdict
from latent_inversion.toybox.world import held_out_edits, render


def pictures(count: int = 1, width: int = 40, height: int = 24) -> torch.Tensor:
    return torch.rand(count, height, width, 3, generator=torch.Generator().manual_seed(3))


def toybox() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A picture of the toybox, its true edit, and noise."""
    (edit,) = held_out_edits(1, kinds=["place"])
    made = render([edit.source, edit.target]).movedim(1, -1).float()
    return made[:1], made[1:], pictures(width=128, height=128)


def test_one_picture_before_goes_with_many_after() -> None:
    pair = before_after.Pair.of(pictures(), pictures(3))
    assert pair.before.shape == pair.after.shape == (3, 24, 40, 3)
    saved = pair.side_by_side
    assert saved.shape == (3, 24, 80 + before_after.LINE, 3)
    assert torch.equal(saved[:, :, :40], pair.before) and torch.equal(saved[:, :, -40:], pair.after)
    assert bool((saved[:, :, 40 : 40 + before_after.LINE] == 1).all())


def test_another_size_of_the_same_shape_is_brought_to_the_first() -> None:
    pair = before_after.Pair.of(pictures(), pictures(width=80, height=48))
    assert pair.after.shape == (1, 24, 40, 3)
    assert math.isclose(float(pair.after.mean()), float(pictures(width=80, height=48).mean()), abs_tol=0.01)
    assert before_after.Pair.of(pictures(width=513, height=511), pictures(width=512, height=512)).after.shape[2] == 513


def test_grey_and_transparent_pictures_are_shown() -> None:
    pair = before_after.Pair.of(pictures()[..., :1], torch.cat([pictures(), pictures()[..., :1]], -1))
    assert pair.before.shape == pair.after.shape == (1, 24, 40, 3)


def test_pictures_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'before' is 40 x 24, but 'after' is 24 x 40"):
        before_after.Pair.of(pictures(), pictures(width=24, height=40))
    with pytest.raises(ValueError, match="2 images before and 3 after"):
        before_after.Pair.of(pictures(2), pictures(3))
    with pytest.raises(ValueError, match="2 images at 'reconstruction' for 3"):
        before_after.fitted_to(pictures(3), pictures(2), "reconstruction")


def test_the_node_says_what_came_out() -> None:
    source, edited, noise = toybox()
    after = torch.cat([source, edited, noise])
    node = before_after.InversionBeforeAfter.execute(source, after)
    side_by_side, said, changed = node.result
    assert [line.split(" (")[0] for line in said.splitlines()[::2]] == [
        "The result is nearly the same image",
        "The result is nothing like the image",
    ]
    assert "of its outlines are kept" in said.splitlines()[1]
    assert len(side_by_side) == 3 and 0.3 < changed < 0.8
    (view,) = node.ui["before_after"]
    assert len(view["before"]) == len(view["after"]) == 3
    assert [one["id"] for one in view["verdicts"]] == ["verdictSame", "verdictEdited", "verdictLost"]


def test_a_mask_says_where_to_look() -> None:
    source, edited, _ = toybox()
    mask = ((source - edited).abs().amax(-1) > 0.04).float()
    whole, inside = (report_verdict.verdicts(source, edited, None, region)[0] for region in (None, mask))
    assert inside.changed > 0.9 > whole.changed
    assert inside.likeness > whole.likeness
    assert report_verdict.message(inside)["id"] == "verdictEditedMask"
    padded = torch.nn.functional.pad(mask, (0, 8, 0, 16))[:, None]  # as a trajectory keeps it
    assert report.edit_verdict(source, source, edited, padded) == inside
    with pytest.raises(ValueError, match=r"mask is 64 x 64, but the images are 128 x 128"):
        report_verdict.verdicts(source, edited, None, mask[:, :64, :64])
    with pytest.raises(ValueError, match="empty"):
        before_after.InversionBeforeAfter.execute(source, edited, mask=torch.zeros_like(mask))
