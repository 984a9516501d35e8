"""Refining a latent: it decodes nearer to the picture, row by row, and never worse than it began."""

import itertools

import pytest
import torch

from latent_inversion.inversion_core.refine import refine

MIX = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


def decode(z):
    """A decoder whose best latent is known only to the pseudo-inverse."""
    return torch.einsum("pc,bchw->bphw", MIX.to(z), z) + 0.1 * z[:, :3].sin()


def error(z, picture):
    return (decode(z) - picture).square().flatten(1).mean(1)


def pictures():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 3, 5, 6, generator=generator), torch.randn(2, 4, 5, 6, generator=generator)


def test_the_latent_decodes_nearer_to_each_picture():
    picture, x0 = pictures()
    assert bool((error(refine(decode, x0, picture), picture) < error(x0, picture) / 100).all())


def test_no_steps_change_nothing_and_no_step_makes_it_worse():
    picture, x0 = pictures()
    assert torch.equal(refine(decode, x0, picture, steps=0), x0)
    seen = []
    refine(decode, x0, picture, steps=20, rate=2.0, on_step=lambda index, best: seen.append(error(best, picture)))
    assert len(seen) == 21 and all(bool((b <= a).all()) for a, b in itertools.pairwise(seen))


def test_a_batch_is_refined_as_its_pictures():
    picture, x0 = pictures()
    whole = refine(decode, x0, picture, steps=10)
    rows = [refine(decode, x0[i : i + 1], picture[i : i + 1], steps=10) for i in range(2)]
    torch.testing.assert_close(whole, torch.cat(rows))


def test_negative_steps_are_refused():
    picture, x0 = pictures()
    with pytest.raises(ValueError, match="0 or more"):
        refine(decode, x0, picture, steps=-1)
