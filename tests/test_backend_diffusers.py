"""The diffusers backend: the promises of every backend, and its own."""

import dataclasses
from pathlib import Path

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor

from harness import conformance, tiny_diffusion
from harness.prompts import normal
from latent_inversion.inversion_core.backends.diffusers.attention import grid_of
from latent_inversion.inversion_core.backends.diffusers.denoiser import DiffusersDenoiser, Prompt, levels_of
from latent_inversion.inversion_core.backends.diffusers.folder import load_pipeline_folder
from latent_inversion.inversion_core.backends.diffusers.studio import studio
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.methods.null_text import optimize_null_text
from latent_inversion.inversion_core.schedules import leading
from latent_inversion.inversion_core.types import Cond
from latent_inversion.toybox.weights import WEIGHTS

SIGMA = torch.tensor(2.5, dtype=torch.float64)


@pytest.fixture(scope="module", params=["epsilon", "v_prediction", "sample"])
def denoiser(request: pytest.FixtureRequest) -> DiffusersDenoiser:
    linear = request.param == "v_prediction"
    table = levels_of(tiny_diffusion.scheduler().alphas_cumprod)
    return DiffusersDenoiser(tiny_diffusion.tiny_unet(use_linear_projection=linear), table, request.param)


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return 2.7 * normal(2, 4, 10, 14, seed=0)


@pytest.fixture(scope="module")
def prompts() -> tuple[Prompt, Prompt]:
    return Prompt(normal(1, 7, 32, seed=1)), Prompt(normal(1, 7, 32, seed=2))


@pytest.fixture(params=[1.0, 7.5], ids=["plain", "guided"])
def cond(request: pytest.FixtureRequest, prompts: tuple[Prompt, Prompt]) -> Cond:
    return Cond(*prompts, guidance=request.param)


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
def test_conforms(check, denoiser, x, cond):
    check(denoiser, x, SIGMA, cond)


def test_edited_leaves_the_model_untouched(denoiser, x, cond):
    def snapshot():
        hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_forward_hooks_with_kwargs")
        counts = {
            f"{name} {hook}": len(getattr(module, hook)) for name, module in unet.named_modules() for hook in hooks
        }
        return unet.state_dict() | counts | {"processors": {n: id(p) for n, p in unet.attn_processors.items()}}

    unet = denoiser.network
    conformance.check_edited_leaves_model_untouched(denoiser, x, SIGMA, cond, snapshot)


def test_guidance_one_never_asks_for_the_unconditional_prompt(denoiser, x, prompts):
    alone = denoiser(x, SIGMA, Cond(prompts[0]))
    torch.testing.assert_close(denoiser(x, SIGMA, Cond(prompts[0], "no prompt at all", 1.0)), alone, rtol=0, atol=0)


def test_guidance_is_linear_in_the_clean_latents(denoiser, x, prompts):
    cond, uncond = (denoiser(x, SIGMA, Cond(p)) for p in prompts)
    guided = denoiser(x, SIGMA, Cond(*prompts, guidance=3.0))
    torch.testing.assert_close(guided, uncond + 3 * (cond - uncond), rtol=1e-4, atol=1e-4)


def test_a_prompt_per_picture(denoiser, x, prompts):
    both = Prompt(torch.cat([p.embedding for p in prompts]))
    apart = torch.cat([denoiser(one, SIGMA, Cond(p)) for one, p in zip(x.split(1), prompts, strict=True)])
    torch.testing.assert_close(denoiser(x, SIGMA, Cond(both)), apart, rtol=1e-4, atol=1e-4)


def test_v_and_epsilon_of_one_network_agree(denoiser, x, cond):
    """The same output read as v, and as the eps that this v means, gives the same clean latent."""
    from latent_inversion.inversion_core.backends.diffusers.denoiser import PREDICTIONS

    v, sigma = x.flip(0).double(), SIGMA
    alpha = 1 / (1 + sigma**2).sqrt()
    eps = alpha * v + alpha * sigma * (x.double() * alpha)
    by_v, by_eps = (PREDICTIONS[name](x.double(), out, sigma) for name, out in (("v_prediction", v), ("epsilon", eps)))
    torch.testing.assert_close(by_v, by_eps, rtol=1e-12, atol=1e-12)


def test_timesteps_are_exact_at_the_levels_and_ordered_between():
    table = levels_of(tiny_diffusion.scheduler().alphas_cumprod)
    denoiser = DiffusersDenoiser(tiny_diffusion.tiny_unet(), table, "epsilon")
    assert [float(denoiser.timestep(table[i])) for i in (0, 1, 500, 998, 999)] == [0, 1, 500, 998, 999]
    assert float(denoiser.timestep(torch.tensor(0.0, dtype=torch.float64))) == 0
    assert float(denoiser.timestep(table[-1] * 2)) == 999
    assert float(denoiser.timestep((table[20] * table[21]).sqrt())) == pytest.approx(20.5)


def test_zero_terminal_snr_levels_stay_finite():
    scheduler = tiny_diffusion.scheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction")
    table = levels_of(scheduler.alphas_cumprod)
    assert bool(torch.isfinite(table).all()) and len(table) >= 998


@pytest.mark.parametrize(
    ("tokens", "size", "grid"), [(140, (10, 14), (10, 14)), (12, (10, 14), (3, 4)), (6, (9, 5), (3, 2))]
)
def test_grid(tokens, size, grid):
    assert grid_of(tokens, size) == (1, *grid)


def test_grid_that_does_not_fit():
    with pytest.raises(ValueError, match="no halving"):
        grid_of(141, (10, 14))


def test_other_processors_are_refused(x, prompts):
    unet = tiny_diffusion.tiny_unet()
    unet.set_attn_processor(AttnProcessor())
    denoiser = DiffusersDenoiser(unet, levels_of(tiny_diffusion.scheduler().alphas_cumprod), "epsilon")
    denoiser(x, SIGMA, Cond(prompts[0]))
    with pytest.raises(ValueError, match=r"AttnProcessor\. Call its set_attn_processor"):
        denoiser.edited(conformance.pass_on())(x, SIGMA, Cond(prompts[0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, p: (x[:, :3], p), "takes latents"),
        (lambda x, p: (x, Prompt(p.embedding[..., :16])), "32 features"),
        (lambda x, p: (x, Prompt(p.embedding.expand(3, -1, -1))), "3 rows for 2 images"),
    ],
)
def test_what_does_not_fit_is_refused(denoiser, x, prompts, change, message):
    x, prompt = change(x, prompts[0])
    with pytest.raises(ValueError, match=message):
        denoiser(x, SIGMA, Cond(prompt))


def test_half_precision_network_keeps_a_single_precision_state(x, prompts):
    table = levels_of(tiny_diffusion.scheduler().alphas_cumprod)
    single = DiffusersDenoiser(tiny_diffusion.tiny_unet(), table, "epsilon")
    half = DiffusersDenoiser(tiny_diffusion.tiny_unet().to(torch.bfloat16), table, "epsilon")
    x0 = half(x, SIGMA, Cond(prompts[0]))
    assert x0.dtype == torch.float32
    torch.testing.assert_close(x0, single(x, SIGMA, Cond(prompts[0])), rtol=0.05, atol=0.2)


def test_differentiable_under_inference_mode(denoiser, x, prompts):
    """Null-text's use: gradients of the embedding, none of the weights, and the weights' wishes restored."""
    wishes = [p.requires_grad for p in denoiser.network.parameters()]
    sigmas = leading(denoiser.table, 3)
    cond = Cond(prompts[0], prompts[1], 7.5)
    with torch.inference_mode():
        trajectory = invert(INVERSIONS["ddim"], denoiser, x / 3, sigmas, cond.alone())
        result = optimize_null_text(trajectory, denoiser, cond, inner_steps=2)
    assert all(last <= first for first, last in zip(result.first, result.last, strict=True))
    assert sum(result.last) < sum(result.first)
    assert [p.requires_grad for p in denoiser.network.parameters()] == wishes
    assert all(p.grad is None for p in denoiser.network.parameters())


def test_fingerprint_survives_half_precision_and_tells_models_apart():
    table = levels_of(tiny_diffusion.scheduler().alphas_cumprod)
    one, same, other = (
        DiffusersDenoiser(unet, table, "epsilon").fingerprint
        for unet in (tiny_diffusion.tiny_unet(), tiny_diffusion.tiny_unet().half(), tiny_diffusion.tiny_unet(seed=9))
    )
    assert one == same != other


@pytest.fixture(scope="module", params=[False, True], ids=["sd", "sdxl"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_diffusion.write_pipeline(tmp_path_factory.mktemp("pipeline"), xl=request.param)


def test_pipeline_folder(folder):
    """A tiny pipeline runs end to end: words, picture, both ways, with an edit."""
    pipeline = load_pipeline_folder(folder)
    picture = torch.rand(1, 3, 36, 20, generator=torch.Generator().manual_seed(3))
    x0 = pipeline.encode_picture(picture)
    assert x0.shape == (1, 4, 18, 10) and pipeline.decode(x0).shape == picture.shape
    cond = Cond(pipeline.encode_prompt("a photo of a cat"), pipeline.encode_prompt(""), 4.0)
    edited = pipeline.denoiser.edited(conformance.pass_on())
    assert bool(torch.isfinite(edited(x0 + 2.5 * normal(*x0.shape, seed=4), SIGMA, cond)).all())


def test_pipeline_matches_diffusers_own_encoding(folder):
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(str(folder), local_files_only=True, safety_checker=None)
    text = "a photo of a red hat"
    theirs = pipeline.encode_prompt(text, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=True)
    prompts = [load_pipeline_folder(folder).encode_prompt(t) for t in (text, "")]
    for ours, embedding in zip(prompts, theirs[:2], strict=True):
        torch.testing.assert_close(ours.embedding, embedding, rtol=1e-5, atol=1e-5)
    for ours, summary in zip(prompts, theirs[2:], strict=False):
        torch.testing.assert_close(ours.added["text_embeds"], summary, rtol=1e-5, atol=1e-5)


def test_prompt_tokens(folder):
    tokens = load_pipeline_folder(folder).prompt_tokens("A red zebra, the cat")
    assert [word.text for word in tokens.words] == ["A", "red", "zebra", ",", "the", "cat"]
    assert tokens.words[2].columns == (3, 4, 5, 6, 7)
    assert tokens.length == 77


def test_a_prompt_too_long_is_refused(folder):
    with pytest.raises(ValueError, match="has 102 tokens, but the text encoder reads 77"):
        load_pipeline_folder(folder).encode_prompt("cat " * 100)


def test_what_is_no_pipeline_is_refused(tmp_path, folder):
    with pytest.raises(ValueError, match="not a model folder"):
        load_pipeline_folder(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "PixArtAlphaPipeline"}')
    with pytest.raises(ValueError, match="names the pipeline 'PixArtAlphaPipeline'"):
        load_pipeline_folder(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(ValueError, match="lacks text_encoder"):
        load_pipeline_folder(tmp_path)
    (tmp_path / "model_index.json").write_text((folder / "model_index.json").read_text())
    with pytest.raises(ValueError, match=r"has no folder .tokenizer."):
        load_pipeline_folder(tmp_path)


def test_an_unknown_prediction_is_refused(denoiser):
    with pytest.raises(ValueError, match="predicts 'flow'"):
        dataclasses.replace(denoiser, prediction="flow")


@pytest.mark.skipif(not (WEIGHTS / "unet.safetensors").exists(), reason="the toybox has not been trained yet")
@pytest.mark.parametrize("guidance", [1.0, 7.5])
def test_the_toybox_is_one_denoiser_in_v_and_in_epsilon(guidance):
    """Its weights, told to predict v and seen as an eps network, conform and agree."""
    from latent_inversion.toybox.loaders import load_diffusers

    answers, x = [], 2.7 * normal(2, 16, 16, 16, seed=0)
    for prediction in ("v_prediction", "epsilon"):
        parts = load_diffusers(prediction)
        world = studio(
            unet=parts.unet,
            vae=parts.vae,
            encoders=[(parts.tokenizer, parts.text_encoder)],
            scheduler=parts.scheduler,
        )
        cond = Cond(world.encode_prompt("a photo of a black cat"), world.encode_prompt(""), guidance)
        for check in conformance.CHECKS:
            check(world.denoiser, x, SIGMA, cond)
        answers.append(world.denoiser(x, SIGMA, cond))
    torch.testing.assert_close(*answers, rtol=1e-4, atol=1e-4)
