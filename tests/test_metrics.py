"""The truth meter tells the truth on pictures whose answer is known."""

import math

import pytest
import torch

from harness.networks import Mixture
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.quality.metrics import drift, psnr, ssim, whiteness
from latent_inversion.inversion_core.schedules import karras, leading, scaled_linear_sigmas, trailing
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.inversion_core.types import Cond

PROMPT = torch.zeros(1, 2, 3)


def test_psnr_of_a_known_error_and_inside_a_mask():
    black, grey = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    grey[:, :, :2] = 0.1
    top = torch.zeros(2, 1, 4, 4)
    top[:, :, :2] = 1
    assert psnr(black, grey).tolist() == pytest.approx([20 + 10 * math.log10(2)] * 2, abs=1e-4)
    assert psnr(black, grey, top).tolist() == pytest.approx([20, 20], abs=1e-4)
    assert psnr(black, grey, 1 - top).tolist() == [math.inf] * 2
    assert psnr(black, grey, torch.zeros_like(top)).isnan().all()


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise():
    picture = torch.rand(2, 3, 32, 32)
    noisy = (picture + 0.2 * torch.randn_like(picture)).clamp(0, 1)
    assert ssim(picture, picture).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert (ssim(picture, noisy) < 0.95).all()
    assert ssim(picture[:1], noisy[:1]).shape == (1,)


def test_ssim_in_a_mask_sees_only_what_lies_there():
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    other, mask = picture.clone(), torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    other[..., :16] = 0.5
    mask[..., 24:] = True
    assert ssim(picture, other, mask).tolist() == pytest.approx([1], abs=1e-4)
    assert ssim(picture, other, ~mask) < ssim(picture, other) < 0.9
    assert ssim(picture, other, torch.zeros_like(mask)).isnan().all()


def test_drift_is_zero_at_the_start_and_grows_with_guidance():
    sigmas = leading(scaled_linear_sigmas(), 10)
    trajectory = invert(INVERSIONS["ddim"], Mixture(), torch.randn(1, 4, 8, 8), sigmas, Cond(PROMPT))
    plain = drift(replay(trajectory, Mixture(), Cond(PROMPT)).xs, trajectory)
    guided = drift(replay(trajectory, Mixture(), Cond(PROMPT, PROMPT + 0.5, 5.0)).xs, trajectory)
    assert len(plain) == 11 and plain[0] == 0
    assert guided[-1] > 2 * plain[-1] > 0
    assert len(drift(replay(trajectory, Mixture(), Cond(PROMPT), start=4).xs, trajectory)) == 7


@pytest.mark.parametrize("shape", [(1, 4, 16, 16), (1, 4, 1, 1), (1, 1, 1, 1)])
def test_values_that_are_all_equal_have_no_likeness_of_neighbours(shape):
    same = torch.full(shape, 2.0)
    found = whiteness(Trajectory(VE, torch.tensor([4.0, 0.0], dtype=torch.float64), (same, same)))
    assert (found.std, found.neighbour_correlation) == (0, 0)


@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
def test_whiteness_of_white_and_of_smooth_noise(path):
    generator = torch.Generator().manual_seed(0)
    white, x0 = (torch.randn(1, 4, 64, 64, generator=generator) for _ in range(2))
    smooth = torch.nn.functional.avg_pool2d(white, 3, 1, 1)
    sigmas = torch.tensor([0.9, 0], dtype=torch.float64)
    for noise, std, correlation in ((white, 1, 0), (smooth, 1 / 3, 2 / 3)):
        found = whiteness(Trajectory(path, sigmas, (path.add_noise(x0, noise, sigmas[0]), x0)))
        assert found.std == pytest.approx(std, abs=0.03)
        assert found.neighbour_correlation == pytest.approx(correlation, abs=0.04)


@pytest.mark.parametrize("schedule", [leading, trailing, karras])
@pytest.mark.parametrize("steps", [1, 7, 50, 999])
def test_schedules_decrease_to_zero_within_the_table(schedule, steps):
    table = scaled_linear_sigmas()
    sigmas = schedule(table, steps)
    assert len(sigmas) == steps + 1 and sigmas[-1] == 0 and (sigmas.diff() < 0).all()
    assert sigmas[0] <= table[-1] * (1 + 1e-12) and sigmas[-2] >= table[0] * (1 - 1e-12)
    with pytest.raises(ValueError, match="between 1 and 1000"):
        schedule(table, 0)


def test_known_levels_of_stable_diffusion():
    table = scaled_linear_sigmas()
    assert float(table[0]) == pytest.approx(0.0292, abs=1e-4) and float(table[-1]) == pytest.approx(14.6146, abs=1e-4)
    assert torch.equal(leading(table, 50)[:-1], table[torch.arange(981, 0, -20)])
    assert torch.equal(trailing(table, 50)[:-1], table[torch.arange(999, 0, -20)])


def test_paths_take_noise_in_and_out():
    x0, noise = torch.randn(1, 4, 8, 8, dtype=torch.float64), torch.randn(1, 4, 8, 8, dtype=torch.float64)
    sigma = torch.tensor(0.7, dtype=torch.float64)
    for path in (VE, RF):
        assert torch.allclose(path.noise(path.add_noise(x0, noise, sigma), x0, sigma), noise, atol=1e-12)
