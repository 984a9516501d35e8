"""The verdict on an edit, against the toybox's true edits: other ones than those that its thresholds were chosen on."""

from collections.abc import Sequence
from functools import cache
from io import BytesIO

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from latent_inversion.inversion_core.verdict import Verdict, judge
from latent_inversion.toybox.world import KINDS, held_out_edits, held_out_scenes, render

CHOSEN_ON, COUNT = 400, 160
"""The thresholds were chosen on the first edits of the world; these are the next ones."""


@cache
def edits() -> tuple[Tensor, Tensor]:
    """Sources and true edits, the kinds taking turns."""
    held_out = held_out_edits(CHOSEN_ON + COUNT)[CHOSEN_ON:]
    return render([edit.source for edit in held_out]).float(), render([edit.target for edit in held_out]).float()


def share(found: Sequence[Verdict], outcome: str) -> float:
    return sum(one.outcome == outcome for one in found) / len(found)


def grained(pictures: Tensor, strength: float) -> Tensor:
    noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(5))
    return (pictures + strength * noise).clamp(0, 1)


def compressed(pictures: Tensor, quality: int) -> Tensor:
    files = [BytesIO() for _ in pictures]
    for file, picture in zip(files, pictures, strict=True):
        levels = (picture.movedim(0, -1).numpy() * 255).round().astype(np.uint8)
        Image.fromarray(levels).save(file, "JPEG", quality=quality)
    read = [torch.from_numpy(np.asarray(Image.open(file)).copy()) for file in files]
    return (torch.stack(read).movedim(-1, 1) / 255).float()


@pytest.mark.parametrize("kind", KINDS)
def test_true_edits_are_edits(kind: str) -> None:
    source, edited = (pictures[KINDS.index(kind) :: len(KINDS)] for pictures in edits())
    assert len(source) == COUNT // len(KINDS)
    assert share(judge(source, edited), "edited") >= 0.95


@pytest.mark.parametrize("strength", [0, 0.01, 0.02, 0.03])
def test_grain_leaves_the_same_picture(strength: float) -> None:
    source, _ = edits()
    assert share(judge(source, grained(source, strength)), "same") == 1


def test_compression_leaves_the_same_picture() -> None:
    source, _ = edits()
    assert share(judge(source, compressed(source, 50)), "same") >= 0.95


def test_other_scenes_are_nothing_like_it() -> None:
    source, _ = edits()
    others = render(held_out_scenes(COUNT, first=5000)).float()
    assert share(judge(source, others), "lost") >= 0.95


def test_noise_is_nothing_like_it() -> None:
    source, _ = edits()
    noise = torch.rand(source.shape, generator=torch.Generator().manual_seed(6))
    blotches = F.interpolate(noise[..., ::8, ::8], source.shape[2:], mode="bilinear")
    assert share(judge(source, noise), "lost") == share(judge(source, blotches), "lost") == 1


def test_the_size_of_the_pictures_does_not_matter() -> None:
    small = tuple(pictures[:16] for pictures in edits())
    large = tuple(F.interpolate(pictures, scale_factor=4, mode="bicubic").clamp(0, 1) for pictures in small)
    for one, other in zip(judge(*small), judge(*large), strict=True):
        assert one.outcome == other.outcome == "edited"
        assert one.changed == pytest.approx(other.changed, abs=0.02)
        assert one.likeness == pytest.approx(other.likeness, abs=0.05)


def test_what_the_reconstruction_loses_does_not_count_as_changed() -> None:
    source, edited = (pictures[:16] for pictures in edits())
    blurred = F.avg_pool2d(F.pad(source, (6, 6, 6, 6), mode="replicate"), 13, 1)
    assert share(judge(source, blurred), "same") < 0.5
    assert share(judge(source, blurred, blurred), "same") == 1
    assert share(judge(source, edited, blurred), "edited") >= 0.9, "what the edit changed beyond that still counts"


def test_a_mask_says_where_the_edit_was_meant_to_be() -> None:
    source, edited = (pictures[2 :: len(KINDS)] for pictures in edits())  # glasses and hats
    mask = ((source - edited).abs().amax(1, keepdim=True) > 0.04).float()
    plain, inside = judge(source, edited), judge(source, edited, mask=mask)
    assert all(b.changed > 2 * a.changed and b.masked for a, b in zip(plain, inside, strict=True))
    corner = torch.zeros_like(mask)
    corner[..., :24, :24] = 1
    assert share(judge(source, edited, mask=corner), "same") == 1, "nothing changed where it was meant to"
    ruined = torch.where(mask.bool(), edited, torch.rand(source.shape, generator=torch.Generator().manual_seed(8)))
    assert share(judge(source, ruined, mask=mask), "lost") == 1, "the rest is not the picture's"
    flat = torch.where(mask.bool(), edited, grained(torch.full_like(source, 0.5), 0.02))
    bare = torch.where(mask.bool(), source, grained(torch.full_like(source, 0.5), 0.01))
    assert share(judge(bare, flat, mask=mask), "edited") >= 0.9, "grain has no outlines to lose"
    (whole,) = judge(source[:1], edited[:1], mask=torch.ones_like(mask[:1]))
    assert whole.likeness == pytest.approx(plain[0].likeness), "a mask of everything leaves outlines to compare"


def test_a_picture_without_outlines_cannot_lose_them() -> None:
    grey = torch.full((1, 3, 40, 64), 0.5)
    (found,) = judge(grey, grey + 0.2)
    assert (found.outcome, found.changed, found.likeness) == ("edited", 1.0, 1.0)
    assert found.psnr == pytest.approx(13.98, abs=0.01)
