"""Every family of models below the nodes, plain and with a LoRA: it inverts, replays, edits, is kept, and can be cancelled."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import comfy.model_management as management
import comfy.patcher_extension
import pytest
import torch

from harness.tiny_comfy import FAMILIES, FLUX, TABLE, WAN_FP8, Family, StubVae, tiny_flux, with_lora
from latent_inversion.inversion_core.backends.comfy.denoiser import run
from latent_inversion.inversion_core.backends.comfy.identity import fingerprint_of
from latent_inversion.inversion_core.backends.comfy.model import is_guidance_distilled
from latent_inversion.inversion_core.files.file_head import StorageError
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word
from latent_inversion.inversion_core.quality.metrics import drift
from latent_inversion.inversion_core.techniques.settings import LocalBlend, PromptToPrompt
from latent_inversion.nodes.attention.attention_edit import AttentionPlan
from latent_inversion.nodes.attention.attention_edits import Plans
from latent_inversion.nodes.editing.edit_setup import NEGATIVE, SOURCE, Setup
from latent_inversion.nodes.editing.run_edit import edit_along
from latent_inversion.nodes.files import trajectory_folder as saved
from latent_inversion.nodes.inverting import decode, encode
from latent_inversion.nodes.inverting.invert_latent import invert_latent, scale_of
from latent_inversion.nodes.inverting.null_text import optimize
from latent_inversion.nodes.kit import common
from latent_inversion.nodes.kit.noise import InvertedNoise
from latent_inversion.nodes.looking import report, report_figures, report_sheet
from latent_inversion.nodes.run.prompt_places import Text
from latent_inversion.nodes.sockets import LatentTrajectory

STEPS = 3
names = pytest.mark.parametrize("family", TABLE, ids=lambda family: family.name)
REACHED = ("sd3", "flux", "qwen", "wan")
"""The transformers whose attention an edit reaches."""
transformers = pytest.mark.parametrize("family", [FAMILIES[name] for name in REACHED], ids=lambda family: family.name)


pytestmark = pytest.mark.usefixtures("in_a_node")


@dataclass(frozen=True)
class Case:
    """A model of a family, plain or with a LoRA, and what the nodes make of a latent with it."""

    family: Family
    model: Any

    @cached_property
    def prompts(self) -> dict[str, Any]:
        return {name: self.family.conditioning(seed) for seed, name in enumerate(("source", "target", "negative"))}

    @cached_property
    def record(self) -> LatentTrajectory:
        return self.invert()

    def invert(self, **changes: Any) -> LatentTrajectory:
        known = {"latent": self.family.latent(), "steps": STEPS, "scheduler": self.family.scheduler}
        known |= {"model": self.model, "source": self.prompts["source"], "negative": None}
        return invert_latent(**known | {"guidance": 1.0, "method": "fixed point"} | changes)

    def edit(
        self,
        same: bool = False,
        record: LatentTrajectory | None = None,
        plans: Plans | None = None,
        mask: Any = None,
        **changes: Any,
    ) -> Any:
        setup = Setup(**{"guidance": 1.0, "anchor": "none", "unconditional": NEGATIVE, "start": 0.0} | changes)
        prompts = self.prompts | ({"target": self.prompts["source"]} if same else {})
        return edit_along(self.model, record or self.record, prompts, setup.on, plans, mask)

    def inside(self, body: Callable[..., Any]) -> Any:
        return run(self.model, self.prompts, self.family.latent()["samples"], self.record.trajectory.sigmas, body)


@cache
def plain(family: Family) -> Case:
    return Case(family, family.model())


@cache
def patched(family: Family) -> Case:
    """With a LoRA on the same weights."""
    return Case(family, with_lora(plain(family).model))


@pytest.fixture(
    params=[(family, kind) for family in TABLE for kind in (plain, patched)],
    ids=lambda p: f"{p[0].name} {p[1].__name__}",
)
def case(request: pytest.FixtureRequest) -> Case:
    family, kind = request.param
    return kind(family)


def everything(model: Any) -> dict[str, Any]:
    """Its weights as they are without patches, its options, and the hooks on its modules."""
    options = {name: str(value) for name, value in model.model_options.items()}
    backup = {name: entry.weight for name, entry in model.backup.items()}
    modules = {name: (type(m).__name__, len(m._forward_hooks)) for name, m in model.model.named_modules()}
    weights = {name: backup.get(name, value).clone() for name, value in model.model.state_dict().items()}
    return weights | options | {"modules": modules}


def assert_unchanged(before: dict[str, Any], after: dict[str, Any]) -> None:
    for name, value in before.items():
        same = torch.equal(value, after[name]) if isinstance(value, torch.Tensor) else value == after[name]
        assert same, f"{name} changed"


# What every family does


def test_it_comes_back(case: Case) -> None:
    trajectory = case.record.trajectory
    edited = case.edit(same=True)
    assert trajectory.path.name == case.family.path and trajectory.shape == case.family.shape
    assert max(trajectory.residuals or ()) < 1e-4
    assert max(drift(edited.source, trajectory)) < 1e-4


def test_a_neutral_edit_is_the_replay_bit_for_bit(case: Case) -> None:
    edited = case.edit(same=True)
    walked = case.inside(lambda denoiser, x, prompts: replay(case.record.trajectory, denoiser, prompts("source")))
    assert torch.equal(edited.target, edited.source[-1])
    assert all(torch.equal(a, b) for a, b in zip(edited.source, walked.xs, strict=True))


def test_direct_is_the_trajectory_bit_for_bit_and_the_target_another(case: Case) -> None:
    edited = case.edit(anchor="direct")
    assert all(torch.equal(a, b) for a, b in zip(edited.source, case.record.trajectory.xs, strict=True))
    assert bool(torch.isfinite(edited.target).all()) and not torch.equal(edited.target, edited.source[-1])


def test_ddim_stays_finite_from_the_models_last_level(case: Case) -> None:
    """At sigma 1 of a flow there is nothing of the picture left; zero terminal SNR has a level of several thousands."""
    trajectory = case.invert(method="ddim", scheduler="simple").trajectory
    largest = float(case.model.get_model_object("model_sampling").sigma_max)
    top = float(trajectory.sigmas[0])
    assert top == pytest.approx(largest) and (top == 1 if case.family.path == "rf" else top > 14)
    edited = case.edit(record=LatentTrajectory(trajectory, case.record.scale))
    assert all(bool(torch.isfinite(x).all()) for x in (*trajectory.xs, *edited.source, edited.target))


def test_zero_terminal_snr_is_undone_from_its_last_level() -> None:
    """One step leads from a level of thousands to one of a few: plain iteration is slow there, Anderson's is not."""
    case = plain(FAMILIES["zsnr"])
    record = case.invert(method="AIDI", scheduler="simple")
    assert float(record.trajectory.sigmas[0]) > 4000
    assert drift(case.edit(same=True, record=record).source, record.trajectory)[-1] < 1e-3


def test_the_latent_leads_back_to_the_vaes_scale(case: Case) -> None:
    samples = case.family.latent()["samples"]
    torch.testing.assert_close(case.record.scale.samples(case.record.trajectory.xs[-1]), samples, rtol=1e-5, atol=1e-5)


def test_the_noise_starts_the_host_at_the_top(case: Case) -> None:
    trajectory, samples = case.record.trajectory, case.family.latent()["samples"]
    sampling, latents = (case.model.get_model_object(name) for name in ("model_sampling", "latent_format"))
    sigma, top = trajectory.sigmas[0].float(), trajectory.xs[0]
    noise = InvertedNoise(top, float(sigma), sampling, latents).generate_noise({"samples": samples})
    at_top = bool(sigma >= sampling.sigma_max * (1 - 1e-5))
    start = sampling.noise_scaling(sigma, noise, latents.process_in(samples), at_top)
    torch.testing.assert_close(start, top, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("folders")
def test_it_is_saved_and_loaded_bit_for_bit(case: Case) -> None:
    name = saved.save_files(case.record, "kept", None, None)
    loaded, _ = saved.load_files(saved.path_of(f"{name} [output]"))
    assert loaded.scale == case.record.scale
    pairs = zip(loaded.trajectory.xs, case.record.trajectory.xs, strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert torch.equal(case.edit(same=True, record=loaded).target, case.edit(same=True).target)


def test_a_cancel_stops_before_the_next_evaluation_and_leaves_nothing_behind(case: Case) -> None:
    before, expected, calls = everything(case.model), case.edit().target, []

    def cancel_at_third(executor: Any, *args: Any, **options: Any) -> Any:
        calls.append(len(calls) + 1)
        if len(calls) == 3:
            management.interrupt_current_processing()
        return executor(*args, **options)

    watched = case.model.clone()
    watched.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.APPLY_MODEL, "test", cancel_at_third)
    other = replace(case, model=watched)
    for start in (other.invert, lambda: other.edit(record=case.record)):
        calls.clear()
        with pytest.raises(management.InterruptProcessingException):
            start()
        assert len(calls) == 3
    assert_unchanged(before, everything(case.model))
    assert torch.equal(case.edit().target, expected)


# LoRA


@names
def test_a_lora_changes_the_fingerprint_and_the_predictions_and_is_told_apart(family: Family) -> None:
    one, other = plain(family), patched(family)
    known = fingerprint_of(one.model)
    others = [fingerprint_of(with_lora(one.model, **o)) for o in ({}, {"seed": 8}, {"strength": 0.4})]
    assert others[0] == fingerprint_of(other.model) and len({known, *others}) == 4
    ways = [c.invert(method="ddim").trajectory.xs[0] for c in (one, other, one)]
    assert torch.equal(ways[0], ways[2]) and not torch.equal(ways[0], ways[1])
    assert fingerprint_of(one.model) == known
    for record, wrong in ((one.record, other), (other.record, one)):
        with pytest.raises(StorageError, match=r"another model.*same LoRAs"):
            wrong.edit(record=record)


def test_the_strength_within_a_lora_counts() -> None:
    """Its alpha is a number beside the matrices."""
    from comfy.weight_adapter.lora import LoRAAdapter

    model, key = plain(FAMILIES["flux"]).model, "diffusion_model.img_in.weight"
    up, down = torch.ones(64, 2), torch.ones(2, 64)
    seen = set()
    for alpha in (1.0, 2.0):
        patched = model.clone()
        patched.add_patches({key: LoRAAdapter(set(), (up, down, alpha, None, None, None))}, 1.0)
        seen.add(fingerprint_of(patched))
    assert len(seen) == 2


def test_a_model_patched_to_sample_otherwise_is_another_model() -> None:
    """Zero terminal SNR and another kind of prediction change what the network says; a shift changes the grid only."""
    from comfy_extras import nodes_model_advanced as advanced

    sd2, wan, discrete = plain(FAMILIES["sd2"]), plain(FAMILIES["wan"]), advanced.ModelSamplingDiscrete()
    patches = [("v_prediction", False), ("v_prediction", True), ("eps", False)]
    same, zsnr, eps = (discrete.patch(sd2.model, *patch)[0] for patch in patches)
    assert fingerprint_of(same) == fingerprint_of(sd2.model)
    assert len({fingerprint_of(model) for model in (same, zsnr, eps)}) == 3
    other = Case(sd2.family, zsnr)
    with pytest.raises(StorageError, match="another model"):
        other.edit(record=sd2.record)
    known = other.record.trajectory.provenance.model.partition("~")[0]
    assert known == fingerprint_of(zsnr) != fingerprint_of(sd2.model)
    shifted = advanced.ModelSamplingSD3().patch(wan.model, 3.0)[0]
    assert fingerprint_of(shifted) == fingerprint_of(wan.model)


# Videos, and pictures for video models


def test_pictures_for_video_models_are_videos_of_one_frame() -> None:
    family = FAMILIES["qwen"]
    case = plain(family)
    flat = family.latent()["samples"][:, :, 0]
    record = case.invert(latent={"samples": flat})
    assert record.trajectory.shape == family.shape
    assert record.scale == scale_of(case.model, flat, record.frame) and len(record.scale.scale) == 16
    assert all(torch.equal(a, b) for a, b in zip(record.trajectory.xs, case.record.trajectory.xs, strict=True))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("flux", (1, 16, 1, 8, 8), "works on 2 dimensions"),
        ("wan", (1, 16, 8), "holds no image"),
        ("sd15", (1, 16, 8, 8), "has 16 channels, but this model works on 4"),
        ("hunyuan", (1, 4, 8, 8), "has 4 channels, but this model works on 16"),
    ],
)
def test_latents_of_other_models_are_refused(name: str, shape: tuple[int, ...], message: str) -> None:
    case = plain(FAMILIES[name])
    with pytest.raises(ValueError, match=message):
        case.invert(latent={"samples": torch.randn(shape)})


@pytest.mark.parametrize("name", ["sd3", "flux", "qwen", "wan"])  # ComfyUI's HunyuanVideo fills no patches up
def test_sizes_that_patches_do_not_divide(name: str) -> None:
    family = FAMILIES[name]
    case = plain(family)
    latent = {"samples": family.latent()["samples"][..., :7, :9].contiguous()}
    record = case.invert(latent=latent)
    assert max(record.trajectory.residuals or ()) < 1e-4 and record.trajectory.shape[-2:] == (7, 9)


@names
def test_decoding_and_the_report(family: Family) -> None:
    case, vae = plain(family), StubVae()
    edited = case.edit(same=True)
    shown, back = (
        decode.decode(vae, case.record.latent(x), None, None)
        for x in (case.record.trajectory.xs[-1], edited.source[-1])
    )
    frames = 1 + 4 * (family.shape[2] - 1) if family.video else 1
    assert shown.shape == (family.shape[0] * frames, 64, 96, 3)
    ceiling = report.ceiling_of(vae, case.record)
    figures = report_figures.figures_of(shown, back, case.record, ceiling, drift(edited.source, case.record.trajectory))
    assert figures.psnr > 60 and figures.ceiling == float("inf") and figures.drift[-1] < 1e-4
    text = report.words(figures)
    assert "inverted noise" in text and "drift at the end" in text
    picture = report_sheet.sheet(shown, back, None, case.record.trajectory, figures, text)
    assert picture.shape[0] == 1 and bool(torch.isfinite(picture).all())
    with pytest.raises(ValueError, match="but the reconstruction is"):
        report_figures.figures_of(shown[:, :8], back, case.record, None, ())


def test_a_video_keeps_its_size_and_what_lies_outside_its_masks() -> None:
    family, vae = FAMILIES["wan"], StubVae()
    case = plain(family)
    frames, mask = torch.rand(9, 60, 90, 3), torch.zeros(9, 60, 90)
    mask[0, :30], mask[1:5, :, :40], mask[8, 8:16, 8:16] = 1, 1, 1
    latent = encode.encode(vae, frames, mask, 32)
    assert latent["samples"].shape == (1, 16, 3, 8, 12)
    record = case.invert(latent=latent)
    edited = case.edit(record=record, anchor="direct")
    kept = edited.target == record.trajectory.xs[-1]
    assert bool(kept[:, :, 0, 5:].all()) and not bool(kept[:, :, 0, :3].all())
    assert bool(kept[:, :, 1, :, 6:].all()) and not bool(kept[:, :, 1, :, :4].all())
    assert not bool(kept[:, :, 2, 1, 1].all()) and bool(kept[:, :, 2, 4:].all())
    shown = decode.decode(vae, record.latent(edited.target), frames, mask)
    assert shown.shape == frames.shape and torch.equal(shown[mask == 0], frames[mask == 0])


def test_masks_for_latents() -> None:
    masks = torch.eye(9)[:, None, None]
    union = common.latent_mask(masks, (1, 16, 3, 8, 8))
    assert union[:, 0, 0].tolist() == [[1, *[0] * 8], [0, 1, 1, 1, 1, 0, 0, 0, 0], [*[0] * 5, 1, 1, 1, 1]]
    assert common.latent_mask(masks, (1, 16, 1, 8, 8)).sum() == 9
    for shape in ((9, 4, 8, 8), (1, 16, 9, 8, 8), (3, 16, 3, 8, 8), (9, 16, 3, 8, 8)):
        assert common.latent_mask(masks, shape) is masks
    for shape in ((1, 4, 8, 8), (2, 16, 3, 8, 8), (1, 16, 12, 8, 8)):
        with pytest.raises(ValueError, match="There are 9 masks for"):
            common.latent_mask(masks, shape)


def test_one_mask_serves_several_pictures_of_a_video_model() -> None:
    family = FAMILIES["qwen"]
    case, mask = plain(family), torch.zeros(1, 8, 12)
    mask[:, 2:5, 3:7] = 1
    edited = case.edit(anchor="direct", mask=mask)
    kept = edited.target == case.record.trajectory.xs[-1]
    outside = mask[:, None, None].expand_as(kept) == 0
    assert bool(kept[outside].all()) and not bool(kept[~outside].any())


# What a family cannot do


@names
def test_guidance_that_is_distilled_is_recognised_and_what_needs_the_other_branch_refused(family: Family) -> None:
    case = plain(family)
    assert is_guidance_distilled(case.model) == family.distilled
    assert case.inside(lambda denoiser, x, prompts: denoiser.distilled) == family.distilled
    settings = (case.model, case.record, case.prompts["source"], case.prompts["negative"], 3.0, 1, 0.0)
    if family.distilled:
        with pytest.raises(ValueError, match=r"Null-text optimisation changes the unconditional branch.*'direct'"):
            optimize(*settings)
        with pytest.raises(ValueError, match=r"negative-prompt inversion\) changes the unconditional branch.*'direct'"):
            case.edit(unconditional=SOURCE)
    else:
        result = optimize(*settings)
        assert all(last <= first for first, last in zip(result.first, result.last, strict=True))
        edited = case.edit(same=True, guidance=3.0, null_text=result)
        assert bool(torch.isfinite(edited.target).all())
        assert max(drift(case.edit(guidance=3.0, unconditional=SOURCE).source, case.record.trajectory)) < 1e-3


def test_flux_without_a_guidance_layer_has_both_branches() -> None:
    schnell = tiny_flux(settings=FLUX | {"guidance_embed": False})
    assert not is_guidance_distilled(schnell)


SIX = PromptTokens(tuple(Word(f"word{n}", (n + 1,)) for n in range(3)), 6)
CONTROL = PromptToPrompt(cross=(0.0, 0.8), self_attention=(0.0, 0.6))


@transformers
def test_prompt_to_prompt_on_transformers(family: Family) -> None:
    """Under the source's own attention an equal prompt gives the source, and another one something of its own."""
    case, plans = (
        plain(family),
        Plans((AttentionPlan((Text(SIX), Text(SIX)), CONTROL),)),
    )
    same = case.edit(same=True, plans=plans)
    torch.testing.assert_close(same.target, same.source[-1], rtol=1e-4, atol=1e-4)
    free, held = (case.edit(plans=p, guidance=3.0).target for p in (None, plans))
    assert bool(torch.isfinite(held).all()) and not torch.allclose(free, held, rtol=1e-3)


@pytest.mark.parametrize("name", ["flux", "qwen", "wan"])
def test_words_say_where_an_edit_of_a_transformer_may_act(name: str) -> None:
    """A threshold that no place reaches keeps the source everywhere, one that all places reach keeps it nowhere."""
    family = FAMILIES[name]
    case = plain(family)
    shape = (*family.shape[:-2], 16, 24)
    latent = {"samples": torch.randn(shape, generator=torch.Generator().manual_seed(0))}
    record, found = case.invert(latent=latent, method="ddim"), []
    for threshold in (0.999, 0.0):
        blend = LocalBlend(("word1",), ("word1",), (0.0, 1.0), threshold)
        plan = AttentionPlan((Text(SIX), Text(SIX)), blend=blend)
        edited = case.edit(record=record, plans=Plans((plan,)), anchor="direct")
        found.append((edited.target == record.trajectory.xs[-1]).float().mean())
    assert found[0] > 0.5 and found[1] < 0.1


@pytest.mark.parametrize("inject", [True, False], ids=["prompt to prompt", "local blend"])
def test_attention_edits_out_of_reach_are_refused_before_the_model_runs(inject: bool) -> None:
    case = plain(FAMILIES["hunyuan"])
    blend = None if inject else LocalBlend(("word1",), ("word1",), (0.0, 1.0), 0.3)
    plan = AttentionPlan((Text(SIX), Text(SIX)), CONTROL if inject else None, blend)
    record = case.record
    management.unload_all_models()
    with pytest.raises(ValueError, match=r"this network is HunyuanVideo.*direct.*mask"):
        case.edit(record=record, plans=Plans((plan,)))
    assert not management.loaded_models(), "the model was loaded in vain"
    only_mask = replace(plan, control=None, blend=None, mask=torch.zeros(1, 8, 12))
    edited = case.edit(record=record, plans=Plans((only_mask,)), anchor="direct")
    assert torch.equal(edited.target, record.trajectory.xs[-1])


# What else lies between a model and its predictions


def test_merged_tokens_are_merged_alike_in_every_evaluation() -> None:
    """Token merging draws at random; an inversion needs the same network up and down."""
    from comfy_extras.nodes_tomesd import TomePatchModel

    family = FAMILIES["sd15"]
    (merged,) = TomePatchModel.execute(plain(family).model, 0.5).result
    case, words = Case(family, merged), PromptTokens(tuple(Word(f"word{n}", (n + 1,)) for n in range(5)), 77)
    before = torch.random.get_rng_state()
    assert case.edit(same=True).target.equal(case.edit(same=True).source[-1])
    assert torch.equal(torch.random.get_rng_state(), before), "ComfyUI's own draws were disturbed"
    plan = AttentionPlan((Text(words), Text(words)), CONTROL)
    free, held = (case.edit(plans=p, guidance=3.0).target for p in (None, Plans((plan,))))
    assert not torch.equal(free, held) and bool(torch.isfinite(held).all())
    assert not torch.equal(free, plain(family).edit(guidance=3.0, record=case.record).target)


@pytest.mark.parametrize(
    ("name", "node", "shifts"),
    [("flux", "ModelSamplingFlux", (2.0, 0.5, 1024, 1024)), ("wan", "ModelSamplingSD3", (3.0,))],
)
def test_a_shifted_flow_still_starts_at_one(name: str, node: str, shifts: tuple[float, ...]) -> None:
    import comfy_extras.nodes_model_advanced as advanced

    family = FAMILIES[name]
    (shifted,) = getattr(advanced, node)().patch(plain(family).model, *shifts)
    case = Case(family, shifted)
    sigmas = case.record.trajectory.sigmas
    assert float(sigmas[0]) == 1 and not torch.equal(sigmas, plain(family).record.trajectory.sigmas)
    assert max(case.record.trajectory.residuals or ()) < 1e-4
    assert max(drift(plain(family).edit(same=True, record=case.record).source, case.record.trajectory)) < 1e-4


@pytest.mark.parametrize("lora", [False, True])
def test_quantised_weights(lora: bool) -> None:
    model = WAN_FP8.build()
    case = Case(WAN_FP8, with_lora(model) if lora else model)
    assert max(drift(case.edit(same=True).source, case.record.trajectory)) < 1e-4
    assert (fingerprint_of(case.model) == fingerprint_of(model)) != lora
    before = dict(case.model.model.named_parameters())
    result = optimize(case.model, case.record, case.prompts["source"], case.prompts["negative"], 3.0, 2, 0.0)
    assert sum(result.last) < sum(result.first)
    assert all(weight is before[name] for name, weight in case.model.model.named_parameters())


def test_what_only_looks_like_flow_is_refused() -> None:
    import comfy.model_sampling as sampling

    if not hasattr(sampling, "IMG_TO_IMG_FLOW"):
        pytest.skip("this ComfyUI has no such models")
    family = FAMILIES["flux"]
    odd = plain(family).model.clone()
    odd.add_object_patch("model_sampling", type("Odd", (sampling.ModelSamplingFlux, sampling.IMG_TO_IMG_FLOW), {})())
    with pytest.raises(ValueError, match=r"samples as .*IMG_TO_IMG_FLOW"):
        Case(family, odd).invert()


def test_sdxls_sizes_and_pooled_text_reach_the_network() -> None:
    family = FAMILIES["sdxl"]
    case = plain(family)
    other = [[case.prompts["source"][0][0], case.prompts["source"][0][1] | {"width": 2048}]]
    tops = [case.invert(method="ddim", source=prompt).trajectory.xs[0] for prompt in (case.prompts["source"], other)]
    assert not torch.equal(*tops)


@pytest.mark.parametrize("family", [f for f in TABLE if f.distilled], ids=lambda family: family.name)
def test_distilled_guidance_comes_with_the_prompt(family: Family) -> None:
    case = plain(family)
    other = [[case.prompts["source"][0][0], case.prompts["source"][0][1] | {"guidance": 1.0}]]
    tops = [case.invert(method="ddim", source=prompt).trajectory.xs[0] for prompt in (case.prompts["source"], other)]
    assert not torch.equal(*tops)
