"""DPM-Solver++(2M) side by side with diffusers' own, on the toybox's UNet and on a rectified-flow transformer.

DDIM both ways, its inverse for v-prediction and the flow-matching solvers are in test_against_diffusers.py.
"""

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from harness import tiny_flow
from latent_inversion.inversion_core.backends.diffusers.denoiser import DiffusersDenoiser, Prompt, levels_of
from latent_inversion.inversion_core.backends.diffusers.flow import FlowDenoiser
from latent_inversion.inversion_core.loops.integrate import integrate
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.solvers import ddpm, dpmpp_2m, euler, sde_dpmpp_2m
from latent_inversion.inversion_core.types import Cond
from latent_inversion.toybox.loaders import load_diffusers
from latent_inversion.toybox.models import NOISE_SCHEDULE

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
STEPS = 8
SOLVER = {"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint", "lower_order_final": True}


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def walked(scheduler: DPMSolverMultistepScheduler, predict, x: Tensor) -> list[Tensor]:
    """diffusers' loop, with the latent after every step; the network is asked at the scheduler's own levels."""
    xs = [x]
    for t, sigma in zip(scheduler.timesteps, scheduler.sigmas[:-1], strict=True):
        xs.append(scheduler.step(predict(xs[-1], t, sigma), t, xs[-1]).prev_sample)
    return xs


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    torch.testing.assert_close(torch.stack(ours), torch.stack(theirs), rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def unet():
    return load_diffusers().unet


@pytest.mark.parametrize(("spacing", "last"), [("leading", "zero"), ("linspace", "sigma_min")])
def test_dpmpp_2m_on_the_toyboxs_unet(unet, spacing: str, last: str):
    """diffusers keeps `z = x / sqrt(1 + sigma^2)`. Below 15 steps its last step is of first order, as ours is to sigma 0."""
    scheduler = DPMSolverMultistepScheduler(
        **NOISE_SCHEDULE,
        **SOLVER | {"lower_order_final": last == "zero"},
        prediction_type="v_prediction",
        timestep_spacing=spacing,
        steps_offset=1,
        final_sigmas_type=last,
    )
    scheduler.set_timesteps(STEPS)
    sigmas = scheduler.sigmas.double()
    denoiser = DiffusersDenoiser(unet, levels_of(scheduler.alphas_cumprod), "v_prediction")
    prompt, z = Prompt(normal(1, 32, unet.config.cross_attention_dim, seed=1)), normal(1, 16, 16, 16, seed=2)

    def predict(z: Tensor, t: Tensor, sigma: Tensor) -> Tensor:
        return unet(z, t, encoder_hidden_states=prompt.embedding).sample

    theirs = walked(scheduler, predict, z)
    ours = integrate(dpmpp_2m, denoiser, z * VE.input_scale(sigmas[0]), sigmas, Cond(prompt)).xs
    assert_same([x / VE.input_scale(sigma) for x, sigma in zip(ours, sigmas, strict=True)], theirs)


def test_the_mean_of_ledits_sampler_is_that_of_diffusers(unet):
    """SDE-DPM-Solver++(2M) without its noise, which diffusers' LEDITS++ takes from noise maps."""
    scheduler = DPMSolverMultistepScheduler(
        **NOISE_SCHEDULE,
        **SOLVER | {"algorithm_type": "sde-dpmsolver++"},
        prediction_type="v_prediction",
        timestep_spacing="leading",
        steps_offset=1,
    )
    scheduler.set_timesteps(STEPS)
    sigmas = scheduler.sigmas.double()
    denoiser = DiffusersDenoiser(unet, levels_of(scheduler.alphas_cumprod), "v_prediction")
    prompt, z = Prompt(normal(1, 32, unet.config.cross_attention_dim, seed=1)), normal(1, 16, 16, 16, seed=2)
    xs = [z]
    with torch.no_grad():
        for t in scheduler.timesteps:
            out = unet(xs[-1], t, encoder_hidden_states=prompt.embedding).sample
            xs.append(scheduler.step(out, t, xs[-1], variance_noise=torch.zeros_like(z)).prev_sample)
    ours = integrate(sde_dpmpp_2m, denoiser, z * VE.input_scale(sigmas[0]), sigmas, Cond(prompt)).xs
    assert_same([x / VE.input_scale(sigma) for x, sigma in zip(ours, sigmas, strict=True)], xs)
    assert float((integrate(ddpm, denoiser, ours[0], sigmas, Cond(prompt)).xs[-1] - ours[-1]).abs().max()) > 1e-3


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_dpmpp_2m_on_a_flow_transformer(shift: float):
    scheduler = DPMSolverMultistepScheduler(
        **SOLVER, prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )
    scheduler.set_timesteps(STEPS)
    denoiser = FlowDenoiser(tiny_flow.tiny_sd3())
    prompt = Prompt(normal(1, 7, tiny_flow.TEXT, seed=1), {"pooled": normal(1, tiny_flow.POOLED, seed=2)})
    x, sigmas = normal(1, 4, 16, 12, seed=3), scheduler.sigmas.double()

    def predict(x: Tensor, t: Tensor, sigma: Tensor) -> Tensor:
        """The scheduler's time step is cut to a whole number; the transformer is told the level itself."""
        return denoiser.network(
            x,
            encoder_hidden_states=prompt.embedding,
            pooled_projections=prompt.added["pooled"],
            timestep=1000 * sigma[None],
        ).sample

    theirs = walked(scheduler, predict, x)
    assert_same(list(integrate(dpmpp_2m, denoiser, x, sigmas, Cond(prompt)).xs), theirs)
    first_order = integrate(euler, denoiser, x, sigmas, Cond(prompt)).xs[-1]
    assert float((first_order - theirs[-1]).abs().max()) > 1e-3 and denoiser.path is RF
