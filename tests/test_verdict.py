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

from latent_inversion.inversion_core.quality.verdict import Verdict, judge
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
    source = edits()[0][::4]
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


# Combinations that a person can produce


def photo(seed: int = 0, size: tuple[int, int] = (96, 128)) -> Tensor:
    """A picture with outlines of all scales, as photographs have."""
    generator = torch.Generator().manual_seed(seed)
    layers = [torch.rand(1, 3, *(max(2, side // step) for side in size), generator=generator) for step in (48, 24, 12)]
    moved = [(int(7 * seed + 5 * n) % 31, int(11 * seed + 3 * n) % 37) for n in range(len(layers))]
    grown = [F.interpolate(one, size, mode="nearest").roll(by, (2, 3)) for one, by in zip(layers, moved, strict=True)]
    return sum(weight * one for weight, one in zip((0.6, 0.25, 0.15), grown, strict=True))


def noise(like: Tensor, seed: int = 9) -> Tensor:
    return torch.rand(like.shape, generator=torch.Generator().manual_seed(seed))


PHOTO = photo()
BLACK, WHITE, GREY = (torch.full_like(PHOTO, level) for level in (0.0, 1.0, 0.5))
REPAINTED = torch.cat([PHOTO[..., :64], 1 - PHOTO[..., 64:]], -1)
"""The right half in other colours, all outlines kept."""
LEFT = (torch.arange(128) < 56).float().expand(1, 1, 96, 128)
NOWHERE, EVERYWHERE = torch.zeros_like(LEFT), torch.ones_like(LEFT)
SMEARED = F.avg_pool2d(F.pad(PHOTO, (4, 4, 4, 4), mode="replicate"), 9, 1)

TABLE = {
    "nothing came back, edited or not": (BLACK, BLACK, None, "unheld"),
    "white, likewise": (WHITE, WHITE, None, "unheld"),
    "one grey, likewise": (GREY, GREY, None, "unheld"),
    "noise, likewise": (noise(PHOTO), noise(PHOTO), None, "unheld"),
    "another noise came back than was edited": (noise(PHOTO), noise(PHOTO, 3), None, "unheld"),
    "another picture came back": (photo(5), photo(5), None, "unheld"),
    "another picture than came back": (photo(6), photo(5), None, "unheld"),
    "black, with a good reconstruction": (BLACK, PHOTO, None, "lost"),
    "black, without one": (BLACK, None, None, "lost"),
    "white": (WHITE, None, None, "lost"),
    "one grey": (GREY, PHOTO, None, "lost"),
    "noise": (noise(PHOTO), PHOTO, None, "lost"),
    "another picture": (photo(5), PHOTO, None, "lost"),
    "not a number": (PHOTO * torch.nan, PHOTO, None, "lost"),
    "one pixel that is not a number": (torch.where(PHOTO.max() == PHOTO, torch.nan, PHOTO), PHOTO, None, "lost"),
    "infinite": (PHOTO + torch.inf, PHOTO, None, "lost"),
    "not a number, as what came back": (BLACK * torch.nan, BLACK * torch.nan, None, "unheld"),
    "the picture itself": (PHOTO, PHOTO, None, "same"),
    "the picture itself, though nothing like it came back": (PHOTO, BLACK, None, "same"),
    "what came back, a little lossy": (SMEARED, SMEARED, None, "same"),
    "a good edit": (REPAINTED, PHOTO, None, "edited"),
    "a good edit, though nothing like the picture came back": (REPAINTED, BLACK, None, "edited"),
    "a good edit, though noise came back": (REPAINTED, noise(PHOTO), None, "edited"),
    "a good edit, though the reconstruction is not a number": (REPAINTED, PHOTO * torch.nan, None, "edited"),
    "colours turned over": (1 - PHOTO, PHOTO, None, "edited"),
    "without colours": (PHOTO.mean(1, keepdim=True).expand_as(PHOTO), PHOTO, None, "edited"),
    "an edit inside its mask": (REPAINTED, PHOTO, 1 - LEFT, "edited"),
    "an edit beside its mask": (REPAINTED, PHOTO, LEFT, "same"),
    "ruined outside its mask": (torch.where(LEFT.bool(), 1 - PHOTO, noise(PHOTO)), PHOTO, LEFT, "lost"),
    "ruined outside its mask, as what came back": (noise(PHOTO), noise(PHOTO), LEFT, "unheld"),
    "an edit, with a mask of everything": (REPAINTED, PHOTO, EVERYWHERE, "edited"),
    "black, with a mask of everything": (BLACK, PHOTO, EVERYWHERE, "lost"),
    "an edit, with a mask of nothing": (REPAINTED, PHOTO, NOWHERE, "edited"),
    "the same, with a mask of nothing": (PHOTO, PHOTO, NOWHERE, "same"),
}
"""What became of the picture: the edit, the reconstruction, the mask, and what it is to be called."""


@pytest.mark.parametrize("name", TABLE)
def test_what_a_person_can_produce(name: str) -> None:
    edited_picture, back, mask, outcome = TABLE[name]
    (found,) = judge(PHOTO, edited_picture, back, mask)
    assert found.outcome == outcome
    assert 0 <= found.changed <= 1 and -1 <= found.likeness <= 1
    assert found.masked == (mask is not None and mask is not NOWHERE and mask is not EVERYWHERE)


@pytest.mark.parametrize("shade", [BLACK, WHITE, GREY], ids=["black", "white", "grey"])
def test_a_picture_without_outlines_is_said_to_have_none(shade: Tensor) -> None:
    for after in ((shade + 0.3) % 1, noise(PHOTO), PHOTO):
        (found,) = judge(shade, after)
        assert (found.outcome, found.outlined) == ("edited", False)
    (found,) = judge(shade, shade, shade)
    assert (found.outcome, found.outlined) == ("same", False)
    assert judge(PHOTO, REPAINTED)[0].outlined


def test_a_reconstruction_that_differs_is_told_of_an_edit_that_changed_nothing() -> None:
    dark = 0.6 * PHOTO
    (plain,), (lossy,) = judge(PHOTO, PHOTO, PHOTO), judge(PHOTO, dark, dark)
    assert plain.outcome == lossy.outcome == "same"
    assert plain.missed == 0 and lossy.missed > 0.1


def test_every_picture_of_a_batch_has_its_own_verdict() -> None:
    rows = [case for case in TABLE.values() if case[2] is None and case[1] is not None]
    edited_pictures, backs = (torch.cat([row[place] for row in rows]) for place in (0, 1))
    found = judge(PHOTO.expand(len(rows), -1, -1, -1), edited_pictures, backs)
    assert [one.outcome for one in found] == [row[3] for row in rows]
    masked = judge(
        PHOTO.expand(3, -1, -1, -1), REPAINTED.expand(3, -1, -1, -1), mask=torch.cat([LEFT, NOWHERE, 1 - LEFT])
    )
    assert [(one.outcome, one.masked) for one in masked] == [("same", True), ("edited", False), ("edited", True)]


def test_pictures_moved_a_little_stay_and_moved_far_are_another() -> None:
    assert judge(PHOTO, PHOTO.roll(1, -1), PHOTO)[0].outcome in ("same", "edited")
    assert judge(PHOTO, PHOTO.roll(30, -1), PHOTO)[0].outcome == "lost"


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (2000, 30)])
def test_pictures_of_any_size_are_judged(size: tuple[int, int]) -> None:
    small = F.interpolate(PHOTO, size, mode="bilinear")
    assert judge(small, small, small)[0].outcome == "same"
    assert judge(small, small, small, torch.ones(1, 1, *size))[0].outcome == "same"
