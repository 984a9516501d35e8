"""Side by side with diffusers' own DDIM loops on one UNet: the same latents.

diffusers keeps variance-preserving latents `z = x / sqrt(1 + sigma^2)`; so the comparison is in z.
"""

from collections.abc import Callable

import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from harness import tiny_diffusion
from latent_inversion.inversion_core.backends.diffusers import DiffusersDenoiser, Prompt, levels_of
from latent_inversion.inversion_core.integrate import integrate
from latent_inversion.inversion_core.methods import INVERSIONS, invert
from latent_inversion.inversion_core.schedules import leading
from latent_inversion.inversion_core.solvers import euler
from latent_inversion.inversion_core.types import Cond

STEPS = 20
Predict = Callable[[Tensor, Tensor], Tensor]


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def scaled_down(x: Tensor, sigma: Tensor) -> Tensor:
    return x / (1 + sigma**2).sqrt()


def guided(unet: UNet2DConditionModel, cond: Cond) -> Predict:
    """Classifier-free guidance as diffusers' pipelines write it."""

    def predict(z: Tensor, t: Tensor) -> Tensor:
        out = unet(z, t, encoder_hidden_states=cond.cond.embedding.expand(len(z), -1, -1)).sample
        if not cond.guided:
            return out
        blank = unet(z, t, encoder_hidden_states=cond.uncond.embedding.expand(len(z), -1, -1)).sample
        return blank + cond.guidance * (out - blank)

    return predict


@torch.no_grad()
def walked(scheduler: DDIMScheduler | DDIMInverseScheduler, predict: Predict, z: Tensor) -> list[Tensor]:
    """diffusers' own loop, with the latent after every step."""
    scheduler.set_timesteps(STEPS)
    zs = [z]
    for t in scheduler.timesteps:
        zs.append(scheduler.step(predict(zs[-1], t), t, zs[-1]).prev_sample)
    return zs


def case(prediction: str, guidance: float, **options) -> tuple[DiffusersDenoiser, Cond, dict]:
    settings = {"prediction_type": prediction, **options}
    table = levels_of(tiny_diffusion.scheduler(**settings).alphas_cumprod)
    denoiser = DiffusersDenoiser(tiny_diffusion.tiny_unet(), table, prediction)
    prompts = [Prompt(normal(1, 7, 32, seed=seed)) for seed in (1, 2)]
    return denoiser, Cond(*prompts, guidance=guidance), tiny_diffusion.SCHEDULE | settings


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("to_one", [True, False], ids=["alpha-to-one", "alpha-to-first"])
@pytest.mark.parametrize("guidance", [1.0, 7.5])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_sampling(prediction: str, guidance: float, to_one: bool):
    """`leading` ends at 0, which is alpha 1; `set_alpha_to_one=False` ends at the lowest trained level instead."""
    denoiser, cond, settings = case(prediction, guidance, set_alpha_to_one=to_one)
    sigmas = leading(denoiser.table, STEPS)
    if not to_one:
        sigmas[-1] = denoiser.table[0]
    z = normal(2, 4, 16, 16, seed=3)
    theirs = walked(DDIMScheduler(**settings), guided(denoiser.network, cond), z)
    ours = integrate(euler, denoiser, z * (1 + sigmas[0] ** 2).sqrt(), sigmas, cond)
    for x, sigma, expected in zip(ours.xs, sigmas, theirs, strict=True):
        assert_same(scaled_down(x, sigma), expected)


@pytest.mark.parametrize("guidance", [1.0, 7.5])
def test_inversion(guidance: float):
    """For eps, diffusers' inverse scheduler is the published rule: the network is told the level that the step goes to."""
    denoiser, cond, settings = case("epsilon", guidance)
    sigmas = leading(denoiser.table, STEPS)
    z = normal(2, 4, 16, 16, seed=4)
    theirs = walked(DDIMInverseScheduler(**settings), guided(denoiser.network, cond), z)
    ours = invert(INVERSIONS["ddim"], denoiser, z, sigmas, cond)
    for x, sigma, expected in zip(ours.xs[::-1], sigmas.flip(0), theirs, strict=True):
        assert_same(scaled_down(x, sigma), expected)


def test_inversion_for_v_agrees_with_eps_where_the_scheduler_does_not():
    """A v-network read as the eps-network that it is inverts alike; diffusers reads v with the wrong level's alpha.

    `DDIMInverseScheduler.step` converts v, predicted at level t, with the alpha of the level that the step leaves. Its
    eps is off at every step, so its latents are no oracle for v; the eps rule on the converted output is.
    """
    denoiser, cond, settings = case("v_prediction", 1.0)
    sigmas = leading(denoiser.table, STEPS)
    z = normal(2, 4, 16, 16, seed=5)
    predict_v = guided(denoiser.network, cond)
    abar = DDIMScheduler(**settings).alphas_cumprod

    def predict_eps(z: Tensor, t: Tensor) -> Tensor:
        return abar[t].sqrt() * predict_v(z, t) + (1 - abar[t]).sqrt() * z

    ours = invert(INVERSIONS["ddim"], denoiser, z, sigmas, cond)
    right = walked(DDIMInverseScheduler(**settings | {"prediction_type": "epsilon"}), predict_eps, z)
    wrong = walked(DDIMInverseScheduler(**settings), predict_v, z)
    assert_same(scaled_down(ours.xs[0], sigmas[0]), right[-1])
    assert float((wrong[-1] - right[-1]).square().mean().sqrt()) > 0.01
