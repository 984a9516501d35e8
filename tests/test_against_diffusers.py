"""Side by side with diffusers' own loops on one network: the same latents, from DDIM on UNets and from flow matching.

For UNets diffusers keeps variance-preserving latents `z = x / sqrt(1 + sigma^2)`; so the comparison is in z.
"""

from collections.abc import Callable

import pytest
import torch
from diffusers import (
    DDIMInverseScheduler,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    FluxPipeline,
    UNet2DConditionModel,
)
from torch import Tensor

from harness import tiny_diffusion, tiny_flow
from latent_inversion.inversion_core.backends.diffusers.denoiser import DiffusersDenoiser, Prompt, levels_of
from latent_inversion.inversion_core.backends.diffusers.flow import FlowDenoiser
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.integrate import integrate
from latent_inversion.inversion_core.schedules import flow_match_euler, flow_shift, leading
from latent_inversion.inversion_core.solvers import euler, heun
from latent_inversion.inversion_core.types import Cond

STEPS = 20
FLOW_TOLERANCE = 2e-5
"""The largest difference of any value of any latent of a walk over flow matching's grids."""
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


def flow_case(guidance: float) -> tuple[FlowDenoiser, Cond]:
    prompts = [
        Prompt(normal(1, 7, tiny_flow.TEXT, seed=seed), {"pooled": normal(1, tiny_flow.POOLED, seed=seed + 50)})
        for seed in (1, 2)
    ]
    return FlowDenoiser(tiny_flow.tiny_sd3()), Cond(*prompts, guidance=guidance)


def guided_flow(denoiser: FlowDenoiser, cond: Cond) -> Predict:
    """Classifier-free guidance on velocities, as diffusers' SD3 pipeline writes it; its timesteps are 1000 sigma in float32."""

    def predict(x: Tensor, t: Tensor) -> Tensor:
        def velocity(prompt: Prompt) -> Tensor:
            rows = [e.expand(len(x), *e.shape[1:]) for e in (prompt.embedding, prompt.added["pooled"])]
            return denoiser.network(
                x, encoder_hidden_states=rows[0], pooled_projections=rows[1], timestep=t.expand(len(x))
            ).sample

        blank = velocity(cond.uncond)
        return blank + cond.guidance * (velocity(cond.cond) - blank)

    return predict


@torch.no_grad()
def flowed(scheduler, predict: Predict, x: Tensor) -> list[Tensor]:
    """diffusers' own loop over the scheduler's timesteps, with the latent after every call of its step."""
    xs = [x]
    for t in scheduler.timesteps:
        xs.append(scheduler.step(predict(xs[-1], t), t, xs[-1]).prev_sample)
    return xs


@pytest.mark.parametrize("guidance", [1.0, 7.0])
def test_flow_matching_euler(guidance: float):
    """The same grid to float32's last place as the scheduler's own, then the same latents on it.

    That grid is rounded to float32 and so are its timesteps; `1000 sigma` of a rounded sigma, rounded, is the same number.
    """
    denoiser, cond = flow_case(guidance)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(STEPS)
    sigmas = scheduler.sigmas.double()
    torch.testing.assert_close(flow_match_euler(STEPS, shift=3.0), sigmas, rtol=0, atol=2e-7)
    x = normal(2, 4, 16, 12, seed=6)
    theirs = flowed(scheduler, guided_flow(denoiser, cond), x)
    ours = integrate(euler, denoiser, x, sigmas, cond)
    torch.testing.assert_close(torch.stack(ours.xs), torch.stack(theirs), rtol=0, atol=FLOW_TOLERANCE)


@pytest.mark.parametrize("steps", [1, 10, 28, 50])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_both_grids_of_rectified_flow_are_diffusers(steps, shift):
    """Its scheduler's own levels, which Stable Diffusion 3's pipeline takes, and those that Flux's hands to it."""
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(steps)
    torch.testing.assert_close(flow_match_euler(steps, shift=shift), scheduler.sigmas.double(), rtol=0, atol=2e-7)
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / steps, steps).tolist())
    torch.testing.assert_close(flow_shift(steps, shift=shift), scheduler.sigmas.double(), rtol=0, atol=2e-7)


@pytest.mark.parametrize("guidance", [1.0, 7.0])
def test_flow_matching_heun(guidance: float):
    """Its levels stand twice in its grid but the first and 0; its last step, to 0, is Euler's, as ours."""
    denoiser, cond = flow_case(guidance)
    scheduler = FlowMatchHeunDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(STEPS)
    sigmas = torch.cat([scheduler.sigmas[:1], scheduler.sigmas[1::2]]).double()
    assert len(sigmas) == STEPS + 1 and sigmas[-1] == 0
    x = normal(2, 4, 16, 12, seed=7)
    theirs = flowed(scheduler, guided_flow(denoiser, cond), x)
    ours = integrate(heun, denoiser, x, sigmas, cond)
    torch.testing.assert_close(
        torch.stack(ours.xs), torch.stack([theirs[0], *theirs[2::2], theirs[-1]]), rtol=0, atol=FLOW_TOLERANCE
    )


def test_flux_pipeline():
    """FluxPipeline itself, from the same noise and embeddings: its grid, its packing, its distilled guidance."""
    network = tiny_flow.tiny_flux()
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    parts = dict.fromkeys(("vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
    pipeline = FluxPipeline(transformer=network, scheduler=scheduler, **parts)
    pipeline.set_progress_bar_config(disable=True)
    embedding, pooled, x = normal(1, 7, tiny_flow.TEXT, seed=1), normal(1, 32, seed=2), normal(1, 4, 16, 12, seed=8)
    latents = FluxPipeline._pack_latents(x, 1, 4, 16, 12)
    packed = pipeline(
        prompt_embeds=embedding,
        pooled_prompt_embeds=pooled,
        latents=latents,
        height=16 * 8,
        width=12 * 8,
        num_inference_steps=STEPS,
        guidance_scale=3.5,
        output_type="latent",
    ).images
    prompt = Prompt(embedding, {"pooled": pooled, "guidance": torch.full((1, 1), 3.5)})
    ours = integrate(euler, FlowDenoiser(network), x, scheduler.sigmas.double(), Cond(prompt))
    theirs = FluxPipeline._unpack_latents(packed, 16 * 8, 12 * 8, 8)
    torch.testing.assert_close(ours.xs[-1], theirs, rtol=0, atol=FLOW_TOLERANCE)
