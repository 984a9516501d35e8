"""ControlNets in the diffusers backend: diffusers' own pipeline is the oracle, and None, 0 and hints may stand side by side."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from diffusers.models.attention_processor import Attention
from torch import Tensor

from harness import conformance, tiny_diffusion, tiny_flow
from harness.edits import edit
from harness.prompts import normal
from latent_inversion.inversion_core.attention.technique import Pass, Technique
from latent_inversion.inversion_core.backends.diffusers.control import Control
from latent_inversion.inversion_core.backends.diffusers.denoiser import DiffusersDenoiser, Prompt, levels_of
from latent_inversion.inversion_core.backends.diffusers.flow import FlowDenoiser
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.integrate import integrate, replay
from latent_inversion.inversion_core.methods.null_text import optimize_null_text
from latent_inversion.inversion_core.schedules import leading
from latent_inversion.inversion_core.solvers import euler
from latent_inversion.inversion_core.types import Cond

SIGMA = torch.tensor(2.5, dtype=torch.float64)
STEPS, SIDE = 4, 12
TABLE = levels_of(tiny_diffusion.scheduler().alphas_cumprod)


def hint(seed: int, rows: int = 1, side: int = 2 * SIDE) -> Tensor:
    return torch.rand(rows, 3, side, side, generator=torch.Generator().manual_seed(seed))


def tiny_controlnet(seed: int) -> ControlNetModel:
    """A ControlNet of the tiny UNet, for hints twice as large as latents, whose zero convolutions are none."""
    network = ControlNetModel.from_unet(tiny_diffusion.tiny_unet(), conditioning_embedding_out_channels=(8, 16))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


@pytest.fixture(scope="module")
def denoiser() -> DiffusersDenoiser:
    return DiffusersDenoiser(tiny_diffusion.tiny_unet(), TABLE, "epsilon")


@pytest.fixture(scope="module")
def networks() -> tuple[ControlNetModel, ControlNetModel]:
    return tiny_controlnet(5), tiny_controlnet(6)


@pytest.fixture(scope="module")
def prompts() -> tuple[Prompt, Prompt]:
    return Prompt(normal(1, 7, 32, seed=1)), Prompt(normal(1, 7, 32, seed=2))


@pytest.fixture(scope="module")
def x() -> Tensor:
    return 2.7 * normal(2, 4, SIDE, SIDE, seed=0)


@pytest.mark.parametrize("strength", [1.0, 0.4])
@pytest.mark.parametrize("guidance", [1.0, 7.5])
def test_sampling_is_that_of_diffusers_own_pipeline(denoiser, networks, prompts, guidance, strength, tmp_path):
    words, z = tiny_diffusion.tokenizer(tmp_path), normal(1, 4, 16, 16, seed=3)
    pipeline = StableDiffusionControlNetPipeline(
        vae=tiny_diffusion.autoencoder(),
        text_encoder=tiny_diffusion.text_model(words),
        tokenizer=words,
        unet=denoiser.network,
        controlnet=networks[0],
        scheduler=tiny_diffusion.scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    shown = hint(4, side=32)
    theirs = pipeline(
        prompt_embeds=prompts[0].embedding,
        negative_prompt_embeds=prompts[1].embedding,
        image=shown,
        latents=z,
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        controlnet_conditioning_scale=strength,
        output_type="latent",
    ).images
    control, sigmas = Control(networks[0], shown, strength), leading(denoiser.table, STEPS)
    cond = Cond(*(replace(prompt, control=control) for prompt in prompts), guidance=guidance)
    ours = integrate(euler, denoiser, z * (1 + sigmas[0] ** 2).sqrt(), sigmas, cond).xs[-1]
    torch.testing.assert_close(ours.float(), theirs, rtol=1e-4, atol=1e-4)
    bare = integrate(euler, denoiser, z * (1 + sigmas[0] ** 2).sqrt(), sigmas, Cond(*prompts, guidance=guidance)).xs[-1]
    assert float((bare - theirs).abs().max()) > 0.01


def test_strength_zero_is_no_control(denoiser, networks, prompts, x):
    off = Control(networks[0], hint(1), 0.0)
    cond = Cond(*(replace(prompt, control=off) for prompt in prompts), guidance=3.0)
    torch.testing.assert_close(denoiser(x, SIGMA, cond), denoiser(x, SIGMA, Cond(*prompts, 3.0)), rtol=0, atol=0)


CASES: dict[str, Callable[..., tuple[Control | None, Control | None]]] = {
    "cond only": lambda one, other: (Control(one, hint(1)), None),
    "uncond only": lambda one, other: (None, Control(one, hint(1))),
    "other hints": lambda one, other: (Control(one, hint(1)), Control(one, hint(2))),
    "other strengths": lambda one, other: (Control(one, hint(1)), Control(one, hint(1), 0.3)),
    "other networks": lambda one, other: (Control(one, hint(1)), Control(other, hint(1))),
    "one off": lambda one, other: (Control(one, hint(1)), Control(one, hint(1), 0.0)),
    "a hint per picture": lambda one, other: (Control(one, hint(1, rows=2)), Control(one, hint(2))),
}


@pytest.mark.parametrize("case", CASES)
def test_guided_branches_may_have_different_controls(denoiser, networks, prompts, x, case):
    """Under guidance each branch is what it is alone."""
    pair = [replace(p, control=c) for p, c in zip(prompts, CASES[case](*networks), strict=True)]
    cond, uncond = (denoiser(x, SIGMA, Cond(prompt)) for prompt in pair)
    guided = denoiser(x, SIGMA, Cond(*pair, guidance=3.0))
    torch.testing.assert_close(guided, uncond + 3 * (cond - uncond), rtol=1e-4, atol=1e-4)
    assert float((cond - uncond).abs().max()) > 0.01


def test_a_hint_per_picture(denoiser, networks, prompts, x):
    shown = hint(1, rows=2)
    both = denoiser(x, SIGMA, Cond(replace(prompts[0], control=Control(networks[0], shown))))
    for row, picture in enumerate(x):
        control = Control(networks[0], shown[row : row + 1])
        alone = denoiser(picture[None], SIGMA, Cond(replace(prompts[0], control=control)))
        torch.testing.assert_close(both[row : row + 1], alone, rtol=1e-4, atol=1e-4)


def test_inversion_and_replay_under_a_control(denoiser, networks, prompts):
    """Control is part of the prompt: an inversion under one hint comes back under it, and not without it."""
    shown = Cond(replace(prompts[0], control=Control(networks[0], hint(1))))
    x0, sigmas = normal(1, 4, SIDE, SIDE, seed=7), leading(denoiser.table, 12)
    ddim = invert(INVERSIONS["ddim"], denoiser, x0, sigmas, shown)
    back, bare = (replay(ddim, denoiser, cond).xs[-1] for cond in (shown, Cond(prompts[0])))
    assert float((bare - x0).abs().mean()) > 2 * float((back - x0).abs().mean())


def test_source_and_target_may_have_different_controls(denoiser, networks, prompts):
    """The edit's target is what its own control makes it; attention edits meet the UNet's calls alone."""
    x0, sigmas = normal(1, 4, SIDE, SIDE, seed=7), leading(denoiser.table, STEPS)
    trajectory, seen = invert(INVERSIONS["ddim"], denoiser, x0, sigmas, Cond(prompts[0])), []

    passing = conformance.pass_on(seen=seen)
    watched = Pass(passing.name, passing.where, lambda bank, *call: passing.apply(*call))

    def edited(source: Control | None, target: Control | None) -> Tensor:
        conds = [Cond(replace(prompts[0], control=c), prompts[1], 3.0) for c in (source, target)]
        return edit(trajectory, denoiser, *conds, techniques=[Technique(record=watched, inject=watched)]).target

    controls = [None, Control(networks[0], hint(1)), Control(networks[1], hint(2))]
    ends = [edited(None, control) for control in controls]
    assert all(float((one - other).abs().max()) > 0.01 for one, other in zip(ends, ends[1:] + ends[:1], strict=True))
    torch.testing.assert_close(edited(controls[1], controls[2]), ends[2], rtol=0, atol=0)
    attentions = [name for name, module in denoiser.network.named_modules() if isinstance(module, Attention)]
    passes, branches, edits = 2, 2, 4
    assert len(seen) == len(attentions) * branches * passes * STEPS * edits


def test_null_text_under_a_control(denoiser, networks, prompts):
    """Gradients of the embedding pass through the ControlNet, and leave none in it."""
    control = Control(networks[0], hint(1))
    cond = Cond(*(replace(prompt, control=control) for prompt in prompts), guidance=7.5)
    with torch.inference_mode():
        x0, sigmas = normal(1, 4, SIDE, SIDE, seed=7), leading(denoiser.table, 3)
        trajectory = invert(INVERSIONS["ddim"], denoiser, x0, sigmas, cond.alone())
        result = optimize_null_text(trajectory, denoiser, cond, inner_steps=2)
    assert sum(result.last) < sum(result.first)
    assert all(parameter.grad is None for parameter in networks[0].parameters())


@pytest.mark.parametrize(
    ("control", "message"),
    [
        (lambda n: Control(n, hint(1, side=20)), r"3 channels of 20 x 20; this ControlNet takes 3 of 24 x 24"),
        (lambda n: Control(n, hint(1)[:, :1]), r"1 channels of 24 x 24; this ControlNet takes 3 of 24 x 24"),
        (lambda n: Control(n, hint(1, rows=3)), "3 hints for 2 images"),
    ],
)
def test_hints_that_do_not_fit_are_refused(denoiser, networks, prompts, x, control, message):
    with pytest.raises(ValueError, match=message):
        denoiser(x, SIGMA, Cond(replace(prompts[0], control=control(networks[0]))))


def test_a_hint_without_rows_is_refused(networks):
    with pytest.raises(ValueError, match=r"rows, channels, height, width"):
        Control(networks[0], hint(1)[0])


def test_a_controlnet_of_another_model_is_refused(denoiser, prompts, x):
    unet = tiny_diffusion.tiny_unet(text=48)
    other = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16)).eval()
    with pytest.raises(ValueError, match="prompts of 48 features, these have 4 and 32"):
        denoiser(x, SIGMA, Cond(replace(prompts[0], control=Control(other, hint(1)))))


def test_transformers_refuse_a_control(networks):
    prompt = Prompt(normal(1, 7, tiny_flow.TEXT, seed=1), {"pooled": normal(1, tiny_flow.POOLED, seed=2)})
    steered = replace(prompt, control=Control(networks[0], hint(1)))
    sigma = torch.tensor(0.5, dtype=torch.float64)
    latent = normal(1, 4, 8, 8, seed=3)
    with pytest.raises(ValueError, match="ControlNets steer only UNets"):
        FlowDenoiser(tiny_flow.tiny_sd3())(latent, sigma, Cond(steered))
