"""The ComfyUI backend: the promises of every backend, and its own."""

from collections.abc import Callable
from typing import Any

import comfy.hooks
import comfy.sd
import pytest
import torch

from harness import conformance, tiny_comfy
from harness.edits import edit
from latent_inversion.inversion_core.backends.comfy.denoiser import run
from latent_inversion.inversion_core.backends.comfy.identity import fingerprint_of, identity_of
from latent_inversion.inversion_core.backends.comfy.model import path_of, sigmas_of
from latent_inversion.inversion_core.fingerprint import same_model
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.methods.null_text import optimize_null_text
from latent_inversion.inversion_core.methods.with_null_text import with_null_text
from latent_inversion.inversion_core.quality.metrics import drift
from latent_inversion.inversion_core.types import Cond

SIGMA = torch.tensor(2.5, dtype=torch.float64)
PROMPTS = {
    "source": tiny_comfy.conditioning(1),
    "target": tiny_comfy.conditioning(2),
    "empty": tiny_comfy.conditioning(3),
}
GRID = torch.tensor([1.0, 0.0], dtype=torch.float64)


pytestmark = pytest.mark.usefixtures("in_a_node")


@pytest.fixture(scope="module", params=["EPS", "V_PREDICTION"])
def model(request: pytest.FixtureRequest) -> Any:
    with torch.inference_mode():
        return tiny_comfy.tiny_sd15(kind=request.param)


def inside(model: Any, body: Callable[..., Any], *, prompts: Any = PROMPTS, latent: Any = None, **options: Any) -> Any:
    return run(model, prompts, tiny_comfy.latent() if latent is None else latent, GRID, body, **options)


def noisy(x: torch.Tensor) -> torch.Tensor:
    return x + SIGMA.float() * torch.randn(x.shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("guidance", [1.0, 7.5])
@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
def test_conforms(model: Any, check: Callable[..., None], guidance: float) -> None:
    inside(model, lambda denoiser, x, prompts: check(denoiser, noisy(x), SIGMA, prompts("source", "empty", guidance)))


def everything(model: Any) -> dict[str, Any]:
    options = {name: str(value) for name, value in model.model_options.items()}
    modules = {name: (type(m).__name__, len(m._forward_hooks)) for name, m in model.model.named_modules()}
    return {k: v.clone() for k, v in model.model.state_dict().items()} | options | {"modules": modules}


@pytest.mark.parametrize("guidance", [1.0, 7.5])
def test_edited_leaves_the_model_untouched(model: Any, guidance: float) -> None:
    def body(denoiser: Any, x: torch.Tensor, prompts: Any) -> None:
        cond = prompts("source", "empty", guidance)
        conformance.check_edited_leaves_model_untouched(denoiser, noisy(x), SIGMA, cond, lambda: everything(model))

    before = everything(model)
    inside(model, body)
    after = everything(model)
    assert all(torch.equal(v, after[k]) if isinstance(v, torch.Tensor) else v == after[k] for k, v in before.items())


def test_prompts_of_other_lengths_share_a_batch(model: Any) -> None:
    """A prompt of 154 tokens beside one of 77, which the host shows twice."""
    prompts = PROMPTS | {"source": tiny_comfy.conditioning(1, tokens=154)}

    def body(denoiser: Any, x: torch.Tensor, prompts: Any) -> set[tuple[str, int]]:
        cond, seen = prompts("source", "empty", 7.5), []
        plain = denoiser(noisy(x), SIGMA, cond)
        assert torch.equal(denoiser.edited(conformance.pass_on(seen=seen))(noisy(x), SIGMA, cond), plain)
        return {(site.branch, len(site.text)) for site in seen if site.kind == "cross"}

    assert inside(model, body, prompts=prompts) == {("cond", 154), ("uncond", 77)}


def test_parts_of_a_prompt_are_told_apart(model: Any) -> None:
    both = [*PROMPTS["source"], *PROMPTS["target"]]

    def body(denoiser: Any, x: torch.Tensor, prompts: Any) -> list[tuple[str, int]]:
        seen: list[Any] = []
        denoiser.edited(conformance.pass_on(seen=seen))(noisy(x), SIGMA, prompts("source", "empty", 7.5))
        return sorted({(site.branch, site.part) for site in seen})

    assert inside(model, body, prompts=PROMPTS | {"source": both}) == [("cond", 0), ("cond", 1), ("uncond", 0)]


def test_patches_that_lie_there_keep_running_below_an_edit(model: Any) -> None:
    """As IP-Adapter's: they see the rows they are told of, and an edit that passes on changes nothing."""
    from comfy.ldm.modules.attention import optimized_attention

    calls = []

    def patch(q: Any, k: Any, v: Any, extra: Any) -> Any:
        calls.append((len(q), len(extra["cond_or_uncond"])))
        return 0.5 * optimized_attention(q, k, v, extra["n_heads"])

    patched = model.clone()
    patched.set_model_attn2_replace(patch, "input", 1)

    def body(denoiser: Any, x: torch.Tensor, prompts: Any) -> None:
        cond = prompts("source", "empty", 7.5)
        plain = denoiser(noisy(x), SIGMA, cond)
        assert calls == [(4, 2)]
        assert torch.equal(denoiser.edited(conformance.pass_on())(noisy(x), SIGMA, cond), plain)
        assert calls[1:] == [(2, 1), (2, 1)]

    inside(patched, body)


def test_equals_the_stock_guider(model: Any) -> None:
    ours = inside(model, lambda denoiser, x, prompts: denoiser(noisy(x), SIGMA, prompts("source", "empty", 5.0)))
    stock = tiny_comfy.stock_prediction(model, PROMPTS["source"], PROMPTS["empty"], 5.0, noisy, SIGMA)
    assert torch.equal(ours, stock)


def test_a_latent_of_zeros_is_put_to_the_models_scale() -> None:
    model = tiny_comfy.tiny_sd3()
    prompts = {"source": tiny_comfy.conditioning(1, pooled=True)}
    zeros = torch.zeros(1, 16, 8, 8)
    x = inside(model, lambda denoiser, x, prompts: x, prompts=prompts, latent=zeros)
    assert torch.equal(x, model.model.process_latent_in(zeros)) and bool(x.any())


@pytest.mark.parametrize(
    "method", [name for name in INVERSIONS if name != "RF-Inversion"]
)  # its way back is controlled
def test_rectified_flow_inverts(method: str) -> None:
    """A DiT on the other path."""
    model = tiny_comfy.tiny_sd3()
    prompts = {"source": tiny_comfy.conditioning(1, pooled=True)}
    sigmas = sigmas_of(model, "simple", 8)
    assert path_of(model).name == "rf" and float(sigmas[0]) == 1.0

    def body(denoiser: Any, x: torch.Tensor, prompts: Any) -> float:
        trajectory = invert(INVERSIONS[method], denoiser, x, sigmas, prompts("source"))
        return drift(replay(trajectory, denoiser, prompts("source")).xs, trajectory)[-1]

    error = inside(model, body, prompts=prompts, latent=tiny_comfy.latent(channels=16, batch=1)[..., :8])
    assert error < (1e-3 if method == "fixed point" else 1.0)


def test_null_text_runs_in_a_node(model: Any) -> None:
    """Gradients under inference mode, from float32 embeddings per picture, and all weights as they were."""
    sigmas = sigmas_of(model, "ddim_uniform", 4)

    def body(denoiser: Any, x: torch.Tensor, prompts: Any) -> Any:
        cond = prompts("source", "empty", 7.5)
        trajectory = invert(INVERSIONS["ddim"], denoiser, x, sigmas, cond.alone())
        result = optimize_null_text(trajectory, denoiser, cond, inner_steps=3)
        plain = replay(trajectory, denoiser, cond)
        guided = replay(trajectory, with_null_text(denoiser, result), cond)
        return result, drift(plain.xs, trajectory)[-1], drift(guided.xs, trajectory)[-1]

    before = [p.is_inference() for p in model.model.parameters()]
    result, without, with_it = inside(model, body, gradients=True)
    assert [p.is_inference() for p in model.model.parameters()] == before
    assert all(last <= first for first, last in zip(result.first, result.last, strict=True))
    assert sum(result.last) < sum(result.first) and with_it < without
    assert result.embeddings[0].shape == (2, 77, tiny_comfy.TEXT) and result.embeddings[0].dtype == torch.float32


def test_gradients_agree_with_differences() -> None:
    model = tiny_comfy.tiny_sd15()

    def body(denoiser: Any, x: torch.Tensor, prompts: Any) -> tuple[float, float]:
        with denoiser.differentiable() as network:
            z, prompt = noisy(x.clone()), prompts("empty").cond
            start = network.embedding(prompt).clone()
            goal = torch.randn(z.shape, generator=torch.Generator().manual_seed(2))

            def loss(embedding: torch.Tensor) -> torch.Tensor:
                return (network(z, SIGMA, Cond(network.with_embedding(prompt, embedding))) - goal).square().mean()

            variable = start.clone().requires_grad_(True)
            (gradient,) = torch.autograd.grad(loss(variable), variable)
            towards = gradient / gradient.norm()
            difference = (loss(start + 0.1 * towards) - loss(start - 0.1 * towards)) / 0.2
            return float((gradient * towards).sum()), float(difference)

    analytic, numeric = inside(model, body, gradients=True)
    assert analytic == pytest.approx(numeric, rel=0.02)


def test_an_error_in_the_body_leaves_the_model_usable(model: Any) -> None:
    def body(denoiser: Any, x: torch.Tensor, prompts: Any) -> None:
        with denoiser.differentiable():
            raise RuntimeError("stopped")

    before = everything(model)
    with pytest.raises(RuntimeError, match="stopped"):
        inside(model, body, gradients=True)
    assert torch.is_inference_mode_enabled()
    after = everything(model)
    assert all(torch.equal(v, after[k]) if isinstance(v, torch.Tensor) else v == after[k] for k, v in before.items())


def test_direct_edit_returns_the_trajectory(model: Any) -> None:
    sigmas = sigmas_of(model, "ddim_uniform", 4)

    def body(denoiser: Any, x: torch.Tensor, prompts: Any) -> Any:
        trajectory = invert(INVERSIONS["ddim"], denoiser, x, sigmas, prompts("source"))
        source, target = (prompts(name, "empty", 5.0) for name in ("source", "target"))
        return trajectory, edit(trajectory, denoiser, source, target, anchor=direct)

    trajectory, edited = inside(model, body)
    assert all(torch.equal(a, b) for a, b in zip(edited.source, trajectory.xs, strict=True))
    assert not torch.equal(edited.target, trajectory.xs[-1])


def test_fingerprint_does_not_see_whether_a_lora_is_loaded_but_that_it_is_there() -> None:
    import comfy.model_management as management

    model = tiny_comfy.tiny_sd15()
    plain = fingerprint_of(model)
    assert len(plain) == 16 and plain == fingerprint_of(tiny_comfy.tiny_sd15()) != fingerprint_of(
        tiny_comfy.tiny_sd15(1)
    )
    keys = [k for k in model.model.state_dict() if k.endswith("attn2.to_k.weight")]
    patched = model.clone()
    patched.add_patches({k: ("diff", (torch.ones_like(model.model.state_dict()[k]),)) for k in keys}, 0.5)
    unloaded = fingerprint_of(patched)
    management.load_models_gpu([patched], force_full_load=True)
    assert patched.backup
    assert fingerprint_of(patched) == unloaded == f"{plain}+{unloaded[-8:]}"
    assert fingerprint_of(model) == plain
    management.unload_all_models()


def test_what_cannot_be_inverted_is_refused() -> None:
    class Odd:
        def get_model_object(self, name: str) -> Any:
            from comfy.model_sampling import X0

            return X0()

    with pytest.raises(ValueError, match="samples as X0, EPS"):
        run(Odd(), {}, tiny_comfy.latent(), GRID, lambda *_: None)


def test_a_latent_of_another_kind_of_model_is_refused(model: Any) -> None:
    with pytest.raises(ValueError, match="16 channels, but this model works on 4"):
        inside(model, lambda *_: None, latent=tiny_comfy.latent(channels=16))


def test_null_text_refuses_a_prompt_of_several_parts(model: Any) -> None:
    prompts = PROMPTS | {"empty": [*PROMPTS["empty"], *PROMPTS["target"]]}
    with pytest.raises(ValueError, match="has 2 parts"):
        inside(model, lambda denoiser, x, prompts: denoiser.embedding(prompts("empty").cond), prompts=prompts)


def test_a_prompt_without_what_the_model_takes_beside_the_embedding_is_refused() -> None:
    def body(denoiser: Any, x: torch.Tensor, prompts: Any) -> None:
        denoiser(x, torch.tensor(0.5), prompts("source"))

    for family in (tiny_comfy.FAMILIES[name] for name in ("sd3", "sdxl")):
        lacking = {"source": tiny_comfy.conditioning(1, width=family.text, more=family.extra)}
        with pytest.raises(ValueError, match=r"no pooled output.*Encode the prompt with the CLIP"):
            inside(family.build(), body, prompts=lacking, latent=torch.randn(family.shape))


def loaded(weights: dict[str, Any], dtype: Any) -> Any:
    """A checkpoint as UNETLoader loads it with this `weight_dtype`."""
    return comfy.sd.load_diffusion_model_state_dict(dict(weights), model_options={"dtype": dtype} if dtype else {})


CASTS = (None, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)


def test_a_checkpoint_at_another_weight_dtype_is_the_same_model() -> None:
    networks = [tiny_comfy.tiny_wan_weights(seed) for seed in (0, 1)]
    made, other = ([identity_of(loaded(weights, dtype)) for dtype in CASTS] for weights in networks)
    assert all(same_model(one, another) for one in made for another in made)
    assert not any(same_model(one, another) for one in made for another in other)


def test_a_trajectory_made_under_a_hook_is_refused_without_it_and_the_other_way_round(model: Any) -> None:
    lora = {f"diffusion_model.{name}": torch.ones(2) for name in ("a", "b")}
    hooked = [comfy.hooks.set_hooks_for_conditioning(PROMPTS["source"], hooks) for hooks in made_hooks(lora)]
    known = [identity_of(model, source) for source in (PROMPTS["source"], None, *hooked)]
    assert same_model(known[0], known[1])
    assert not any(same_model(one, other) for n, one in enumerate(known[1:]) for other in known[1:][n + 1 :])
    again = comfy.hooks.set_hooks_for_conditioning(PROMPTS["source"], next(iter(made_hooks(lora))))
    assert same_model(known[2], identity_of(model, again))


def made_hooks(lora: dict[str, torch.Tensor]) -> list[Any]:
    """As CreateHookLora makes them: one, one of another strength, another LoRA, and one in a part of the steps."""
    other, frames = {name: 2 * weight for name, weight in lora.items()}, comfy.hooks.HookKeyframeGroup()
    frames.add(comfy.hooks.HookKeyframe(strength=0.0, start_percent=0.5))
    groups = [comfy.hooks.create_hook_lora(*settings, 1.0) for settings in ((lora, 1.0), (lora, 0.5), (other, 1.0))]
    part = comfy.hooks.create_hook_lora(lora, 1.0, 1.0)
    part.set_keyframes_on_hooks(frames)
    return [*groups, part]
