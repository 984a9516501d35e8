"""ComfyUI's own ControlNets in every pass of an inversion and an edit, beside attention edits, patches and LoRAs."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comfy.cldm.cldm
import comfy.controlnet
import comfy.ops
import comfy.sample
import comfy.samplers
import pytest
import torch
from comfy.ldm.modules.attention import optimized_attention
from safetensors.torch import load_file

from harness import conformance, control_reference, tiny_comfy
from harness.control_reference import INDEX, STRENGTH, normal
from harness.edits import edit
from latent_inversion.inversion_core.attention.technique import Pass, Technique
from latent_inversion.inversion_core.backends.comfy.denoiser import run
from latent_inversion.inversion_core.backends.comfy.model import sigmas_of
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.methods.null_text import optimize_null_text
from latent_inversion.nodes.editing.edit_sampler import InversionEditSampler
from latent_inversion.nodes.inverting.ddim_invert import InversionDDIMInvert
from latent_inversion.nodes.kit.common import padded
from latent_inversion.nodes.run.control_hints import pad_hints
from latent_inversion.nodes.sockets import Frame
from latent_inversion.toybox.hosts import comfy_control, comfy_models
from nodes import ControlNetApply, ControlNetApplyAdvanced

SIGMA = torch.tensor(2.5, dtype=torch.float64)
GRID = torch.tensor([1.0, 0.0], dtype=torch.float64)
STEPS = 4
SHARED = ("image_size", "in_channels", "model_channels", "channel_mult", "num_res_blocks", "num_heads", "context_dim")
SHARED += ("transformer_depth", "transformer_depth_middle", "use_spatial_transformer", "legacy", "dtype")
SOURCE, TARGET, EMPTY = (tiny_comfy.conditioning(seed) for seed in (1, 2, 3))


pytestmark = pytest.mark.usefixtures("in_a_node")


@pytest.fixture(scope="module")
def control_net() -> Any:
    """A ControlNet of the tiny UNet with random weights, also where a training begins with zeros."""
    sizes = {name: tiny_comfy.UNET[name] for name in SHARED}
    with torch.inference_mode():
        network = comfy.cldm.cldm.ControlNet(**sizes, hint_channels=3, operations=comfy.ops.disable_weight_init)
        tiny_comfy.fill(network, 4)
        return comfy.controlnet.ControlNet(network, load_device=torch.device("cpu"))


def picture(seed: int) -> torch.Tensor:
    """A hint as an IMAGE, for latents of 8 x 12."""
    return torch.rand(1, 64, 96, 3, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def steered(control_net: Any) -> Callable[..., Any]:
    """A prompt with a hint, by the older stock node, which steers the conditional branch alone."""

    def apply(prompt: Any, seed: int, strength: float = 0.3) -> Any:
        return ControlNetApply().apply_controlnet(prompt, control_net, picture(seed), strength)[0]

    return apply


def both_steered(control_net: Any, seed: int, *, start: float = 0.0, end: float = 1.0) -> list[Any]:
    """Target and empty prompt with a hint, by the newer stock node."""
    node = ControlNetApplyAdvanced()
    return list(node.apply_controlnet(TARGET, EMPTY, control_net, picture(seed), 0.3, start, end))


def noisy(x: torch.Tensor) -> torch.Tensor:
    return x + SIGMA.float() * torch.randn(x.shape, generator=torch.Generator().manual_seed(5))


def inside(model: Any, body: Callable[..., Any], latent: Any = None, **prompts: Any) -> Any:
    given = {"source": SOURCE, "target": TARGET, "empty": EMPTY} | prompts
    return run(model, given, tiny_comfy.latent() if latent is None else latent, GRID, body)


def predicted(model: Any, guidance: float = 5.0, sigma: torch.Tensor = SIGMA, **prompts: Any) -> torch.Tensor:
    """The guided prediction for the target prompt."""
    return inside(
        model, lambda denoiser, x, ready: denoiser(noisy(x), sigma, ready("target", "empty", guidance)), **prompts
    )


def far(one: torch.Tensor, other: torch.Tensor) -> bool:
    return float((one - other).abs().max()) > 1e-2


@pytest.mark.parametrize("branches", ["cond", "both", "uncond"])
def test_predictions_are_those_of_the_stock_guider(
    model: Any, control_net: Any, steered: Callable[..., Any], branches: str
) -> None:
    both = both_steered(control_net, 6)
    target, empty = {"cond": (steered(TARGET, 6), EMPTY), "both": both, "uncond": (TARGET, both[1])}[branches]
    ours = predicted(model, target=target, empty=empty)
    assert torch.equal(ours, tiny_comfy.stock_prediction(model, target, empty, 5.0, noisy, SIGMA))
    assert far(ours, predicted(model))


def test_a_control_acts_in_its_range_of_steps_only(model: Any, control_net: Any) -> None:
    target, empty = both_steered(control_net, 6, start=0.0, end=0.5)
    sampling = model.get_model_object("model_sampling")
    for percent, acts in ((0.25, True), (0.75, False)):
        sigma = torch.tensor(sampling.percent_to_sigma(percent), dtype=torch.float64)
        with_it, without = (predicted(model, sigma=sigma, **p) for p in ({"target": target, "empty": empty}, {}))
        assert torch.equal(with_it, without) is not acts


def inverted(model: Any, source: Any, latent: torch.Tensor) -> Any:
    """DDIM Invert's trajectory."""
    given = {"steps": STEPS, "scheduler": "ddim_uniform", "guidance": 1.0, "method": "ddim"}
    return InversionDDIMInvert.execute(model, {"samples": latent}, source, **given).result[0]


def edited(model: Any, trajectory: Any, source: Any, target: Any, negative: Any, **settings: Any) -> Any:
    """What Inversion Edit Sampler gives: the edit's latent and the source's."""
    given = {"guidance": 4.0, "anchor": "none", "unconditional": "negative prompt", "start": 0.0} | settings
    results = InversionEditSampler.execute(model, trajectory, source, target, negative, **given).result
    return [latent["samples"] for latent in results]


def test_inversion_goes_by_its_hint(model: Any, steered: Callable[..., Any]) -> None:
    latent = tiny_comfy.latent(batch=1)
    bare, one, again, other = (
        inverted(model, prompt, latent).trajectory.xs[0]
        for prompt in (SOURCE, steered(SOURCE, 6), steered(SOURCE, 6), steered(SOURCE, 7))
    )
    assert torch.equal(one, again)
    assert far(bare, one) and far(one, other)


def test_every_pass_of_an_edit_has_its_own_hint(model: Any, control_net: Any, steered: Callable[..., Any]) -> None:
    """Without attention edits each pass is stock sampling from the inverted noise, under its own ControlNet."""
    record = inverted(model, steered(SOURCE, 6), tiny_comfy.latent(batch=1))
    target, negative = both_steered(control_net, 7)
    ends = edited(model, record, steered(SOURCE, 6), target, negative)
    sampler, trajectory = comfy.samplers.sampler_object("euler"), record.trajectory
    noise = record.scale.samples(trajectory.xs[0])
    for end, prompt in zip(ends, (target, steered(SOURCE, 6)), strict=True):
        sampled = comfy.sample.sample_custom(
            model, torch.zeros_like(noise), 4.0, sampler, trajectory.sigmas.float(), prompt, negative, noise
        )
        torch.testing.assert_close(end, sampled, rtol=1e-3, atol=1e-3)
    plain = edited(model, record, steered(SOURCE, 6), TARGET, EMPTY)
    assert far(plain[0], ends[0])


def test_the_anchored_source_is_exact_under_a_control(model: Any, steered: Callable[..., Any]) -> None:
    latent = tiny_comfy.latent(batch=1)
    record = inverted(model, steered(SOURCE, 6), latent)
    target, source = edited(model, record, steered(SOURCE, 6), steered(TARGET, 7), EMPTY, anchor="direct")
    torch.testing.assert_close(source, latent, rtol=0, atol=1e-6)
    assert far(target, source)


@pytest.mark.parametrize("dressed", [False, True], ids=["plain", "with a patch and a LoRA"])
def test_attention_edits_patches_and_loras_beside_a_control(
    model: Any, control_net: Any, steered: Callable[..., Any], dressed: bool
) -> None:
    """An edit that passes on changes no bit, one that does not does, and what lay below keeps running."""
    calls, used = [], model

    def patch(q: Any, k: Any, v: Any, extra: Any) -> Any:
        calls.append(len(extra["cond_or_uncond"]))
        return 0.5 * optimized_attention(q, k, v, extra["n_heads"])

    if dressed:
        used = tiny_comfy.with_lora(model)
        used.set_model_attn2_replace(patch, "input", 1)
    target, empty = both_steered(control_net, 6)

    def body(denoiser: Any, x: torch.Tensor, ready: Any) -> tuple[torch.Tensor, ...]:
        cond, seen = ready("target", "empty", 5.0), []
        plain = denoiser(noisy(x), SIGMA, cond)
        before = len(calls)
        passed = denoiser.edited(conformance.pass_on(seen=seen))(noisy(x), SIGMA, cond)
        assert {site.branch for site in seen} == {"cond", "uncond"} and bool(calls[before:]) is dressed
        return plain, passed, denoiser.edited(conformance.doubled())(noisy(x), SIGMA, cond)

    plain, passed, doubled = inside(used, body, target=target, empty=empty)
    assert torch.equal(plain, passed) and not torch.equal(plain, doubled)
    assert far(plain, predicted(used)), "the ControlNet has no effect"
    assert far(plain, predicted(model, target=target, empty=empty)) is dressed


def test_source_attention_is_lent_between_passes_of_other_hints(model: Any, steered: Callable[..., Any]) -> None:
    """What the source pass records under its hint is what the target pass, under another, is handed."""
    sigmas, handed = sigmas_of(model, "ddim_uniform", STEPS), []

    def record(bank: Any, attend: Any, q: Any, k: Any, v: Any, site: Any) -> Any:
        bank_of[site.block, site.kind, site.branch] = q.clone()
        return attend(q, k, v)

    def inject(bank: Any, attend: Any, q: Any, k: Any, v: Any, site: Any) -> Any:
        lent = bank_of[site.block, site.kind, site.branch]
        handed.append(far(lent, q))
        return attend(lent, k, v)

    lending = Technique(Pass("record", lambda site: True, record), Pass("inject", lambda site: True, inject))
    bank_of: dict[Any, torch.Tensor] = {}

    def body(denoiser: Any, x: torch.Tensor, ready: Any) -> Any:
        trajectory = invert(INVERSIONS["ddim"], denoiser, x, sigmas, ready("source"))
        source, target = (ready(name, "empty", 4.0) for name in ("source", "target"))
        with_it = edit(trajectory, denoiser, source, target, techniques=[lending])
        return with_it.target, edit(trajectory, denoiser, source, target).target

    with_it, without = inside(model, body, source=steered(SOURCE, 6), target=steered(TARGET, 7))
    assert any(handed) and far(with_it, without)


def test_null_text_under_a_control(model: Any, control_net: Any) -> None:
    """Gradients pass through the ControlNet; its weights stay what and where they were."""
    target, empty = both_steered(control_net, 6)
    before = [(p.clone(), p.is_inference()) for p in control_net.control_model.parameters()]

    def body(denoiser: Any, x: torch.Tensor, ready: Any) -> Any:
        cond = ready("target", "empty", 7.5)
        trajectory = invert(INVERSIONS["ddim"], denoiser, x, sigmas_of(model, "ddim_uniform", 3), cond.alone())
        return optimize_null_text(trajectory, denoiser, cond, inner_steps=3)

    given = {"source": SOURCE, "target": target, "empty": empty}
    result = run(model, given, tiny_comfy.latent(batch=1), GRID, body, gradients=True)
    assert sum(result.last) < sum(result.first)
    for parameter, (value, kind) in zip(control_net.control_model.parameters(), before, strict=True):
        assert torch.equal(parameter, value) and parameter.is_inference() is kind and parameter.grad is None


def test_a_hint_lies_on_the_latent_as_its_picture(model: Any, control_net: Any, steered: Callable[..., Any]) -> None:
    """A picture of 60 x 90 was continued to 64 x 96; its hint is continued alike, and one of the padded size stays."""
    frame, latent = Frame(60, 90, 64, 96), {"samples": tiny_comfy.latent(batch=1)}
    small = picture(6)[:, :60, :90]
    large = padded(small, 64, 96)
    given = {"steps": STEPS, "scheduler": "ddim_uniform", "guidance": 1.0, "method": "ddim"}

    def top(hint: torch.Tensor, **more: Any) -> torch.Tensor:
        prompt = ControlNetApply().apply_controlnet(SOURCE, control_net, hint, 0.3)[0]
        return InversionDDIMInvert.execute(model, latent | more, prompt, **given).result[0].trajectory.xs[0]

    assert torch.equal(top(small, inversion_frame=frame), top(large))
    assert torch.equal(top(large, inversion_frame=frame), top(large))
    assert far(top(small), top(large))


def test_prompts_share_their_hint_also_when_it_is_continued(control_net: Any) -> None:
    """So that ComfyUI runs them in one batch; what came in is not touched, and hints that follow each other are all laid."""
    node, frame = ControlNetApplyAdvanced(), Frame(60, 90, 64, 96)
    small = picture(6)[:, :60, :90]
    first = node.apply_controlnet(TARGET, EMPTY, control_net, small, 0.3, 0.0, 1.0)
    target, empty = node.apply_controlnet(*first, control_net, picture(7), 0.3, 0.0, 1.0)
    laid = pad_hints({"target": target, "empty": empty, "bare": SOURCE}, frame)
    control, other = (laid[name][0][1]["control"] for name in ("target", "empty"))
    assert control is other and "control" not in laid["bare"][0][1]
    assert (
        control.cond_hint_original.shape[-2:] == (64, 96) == control.previous_controlnet.cond_hint_original.shape[-2:]
    )
    assert target[0][1]["control"].previous_controlnet.cond_hint_original.shape[-2:] == (60, 90)
    assert pad_hints({"target": target}, Frame(64, 96, 64, 96))["target"] is target


# The toybox's


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, torch.Tensor]]:
    """The weights of an untrained UNet and ControlNet, and what they give in diffusers."""
    folder, script = tmp_path_factory.mktemp("control"), Path(control_reference.__file__)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, str(script), str(folder)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name: load_file(str(folder / f"{name}.safetensors")) for name in ("unet", "control", "expected")}


def test_the_toyboxs_controlnet_is_that_of_diffusers(reference: dict[str, dict[str, torch.Tensor]]) -> None:
    """The hint encoder is narrower than ComfyUI's; padded with zeros it is the same function."""
    unet, control = comfy_models.load_unet(reference["unet"]), comfy_control.load_control(reference["control"])
    sigma = unet.get_model_object("model_sampling").sigmas.double()[INDEX]
    z, prompt = normal(2, 16, 16, 24), [[normal(1, 32, 128, seed=3), {}]]
    shown = control_reference.hint().movedim(1, -1)
    prompts = {"steered": ControlNetApply().apply_controlnet(prompt, control, shown, STRENGTH)[0], "bare": prompt}
    x = z * (1 + sigma**2).sqrt().float()
    for name, expected in (("steered", "v"), ("bare", "bare")):
        wanted = x / (1 + sigma**2) - reference["expected"][expected] * sigma / (1 + sigma**2).sqrt()
        ours = run(unet, prompts, z, GRID, lambda denoiser, _, ready, name=name: denoiser(x, sigma, ready(name)))
        torch.testing.assert_close(ours, wanted.float(), rtol=1e-3, atol=1e-3)
    assert far(reference["expected"]["v"], reference["expected"]["bare"])


def test_weights_that_do_not_fit_are_refused(reference: dict[str, dict[str, torch.Tensor]]) -> None:
    state = dict(reference["control"])
    state["other.weight"] = state.pop("controlnet_mid_block.weight")
    with pytest.raises(ValueError, match="1 are missing, 1 are unknown"):
        comfy_control.load_control(state)
