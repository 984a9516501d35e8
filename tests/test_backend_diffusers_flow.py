"""Rectified-flow transformers of diffusers: the promises of every backend, and their own."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from diffusers import FluxPipeline, QwenImagePipeline
from diffusers.models.attention_processor import FusedJointAttnProcessor2_0
from torch import Tensor

from harness import conformance, tiny_diffusion, tiny_flow
from harness.prompts import normal
from harness.tiny_flow import POOLED, TEXT
from latent_inversion.inversion_core.attention.bank import Bank
from latent_inversion.inversion_core.attention.edited_call import EditedCall
from latent_inversion.inversion_core.attention.site import AttentionEdit, Site, UnmatchedEdit
from latent_inversion.inversion_core.backends.diffusers.attention import reached
from latent_inversion.inversion_core.backends.diffusers.flow import FlowDenoiser
from latent_inversion.inversion_core.backends.diffusers.joint import WAN, transformer_attention
from latent_inversion.inversion_core.backends.diffusers.network import Prompt
from latent_inversion.inversion_core.files.trajectory_file import load_trajectory, save
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.methods import EDITORS, EditJob
from latent_inversion.inversion_core.methods.null_text import optimize_null_text
from latent_inversion.inversion_core.paths import RF
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_replace
from latent_inversion.inversion_core.quality.metrics import drift, whiteness
from latent_inversion.inversion_core.schedules import flow_shift
from latent_inversion.inversion_core.techniques.prompt_to_prompt import prompt_to_prompt
from latent_inversion.inversion_core.types import Cond, SigmaRange

SIGMA = torch.tensor(0.7, dtype=torch.float64)
SIGMAS = flow_shift(8, shift=3.0)


def sd3_by_hand(network, x: Tensor, sigma: Tensor, prompt: Prompt) -> Tensor:
    told = (1000 * sigma).float().expand(len(x))
    rows = [t.expand(len(x), *t.shape[1:]) for t in (prompt.embedding, prompt.added["pooled"])]
    return network(x, encoder_hidden_states=rows[0], pooled_projections=rows[1], timestep=told).sample


def flux_by_hand(network, x: Tensor, sigma: Tensor, prompt: Prompt) -> Tensor:
    """As FluxPipeline calls it, with its own packing and places."""
    rows, channels, height, width = x.shape
    embedding, pooled = (t.expand(rows, *t.shape[1:]) for t in (prompt.embedding, prompt.added["pooled"]))
    out = network(
        FluxPipeline._pack_latents(x, rows, channels, height, width),
        encoder_hidden_states=embedding,
        pooled_projections=pooled,
        timestep=(1000 * sigma).float().expand(rows) / 1000,
        guidance=prompt.added["guidance"].flatten().expand(rows) if network.config.guidance_embeds else None,
        txt_ids=torch.zeros(embedding.shape[1], 3),
        img_ids=FluxPipeline._prepare_latent_image_ids(rows, height // 2, width // 2, "cpu", torch.float32),
    ).sample
    return FluxPipeline._unpack_latents(out, 8 * height, 8 * width, 8)


def wan_by_hand(network, x: Tensor, sigma: Tensor, prompt: Prompt) -> Tensor:
    told, embedding = (1000 * sigma).float().expand(len(x)), prompt.embedding.expand(len(x), -1, -1)
    return network(x, timestep=told, encoder_hidden_states=embedding).sample


def qwen_by_hand(network, x: Tensor, sigma: Tensor, prompt: Prompt) -> Tensor:
    """As QwenImagePipeline calls it, with its own packing, shapes and mask."""
    rows, channels, height, width = x.shape
    embedding = prompt.embedding.expand(rows, -1, -1)
    out = network(
        QwenImagePipeline._pack_latents(x, rows, channels, height, width),
        encoder_hidden_states=embedding,
        encoder_hidden_states_mask=torch.ones(embedding.shape[:2], dtype=torch.long),
        timestep=(1000 * sigma).float().expand(rows) / 1000,
        img_shapes=[[(1, height // 2, width // 2)]] * rows,
    ).sample
    return QwenImagePipeline._unpack_latents(out, 8 * height, 8 * width, 8)[:, :, 0]


def sd3_prompt(seed: int) -> Prompt:
    return Prompt(normal(1, 7, TEXT, seed=seed), {"pooled": normal(1, POOLED, seed=seed + 50)})


def flux_prompt(seed: int, guidance: float = 3.5) -> Prompt:
    added = {"pooled": normal(1, 32, seed=seed + 50), "guidance": torch.full((1, 1), guidance)}
    return Prompt(normal(1, 7, TEXT, seed=seed), added)


@dataclass(frozen=True)
class Kind:
    build: Callable
    by_hand: Callable
    prompt: Callable[[int], Prompt]
    shape: tuple[int, ...] = (2, 4, 10, 14)
    sites: frozenset[tuple[str, str, range]] = frozenset()


def plain_prompt(seed: int) -> Prompt:
    return Prompt(normal(1, 7, TEXT, seed=seed))


FIRST, LAST, NONE = range(7), range(35, 42), range(0)
"""Where 7 tokens of text lie beside the 35 of a picture, and among the keys of their own attention."""
SD3_SITES = {("double.0", "joint", LAST), ("double.1", "joint", LAST), ("double.0", "self", NONE)}
FLUX_SITES = {("double.0", "joint", FIRST), ("single.0", "joint", FIRST)}
QWEN_SITES = {("double.0", "joint", FIRST), ("double.1", "joint", FIRST)}
WAN_SITES = {(f"double.{n}", kind, text) for n in (0, 1) for kind, text in (("self", NONE), ("cross", FIRST))}
FLAT, VIDEO = (2, 4, 10, 14), (2, 4, 3, 6, 8)

KINDS = {
    "sd3": Kind(tiny_flow.tiny_sd3, sd3_by_hand, sd3_prompt, FLAT, frozenset(SD3_SITES)),
    "flux": Kind(tiny_flow.tiny_flux, flux_by_hand, flux_prompt, FLAT, frozenset(FLUX_SITES)),
    "flux without guidance": Kind(
        partial(tiny_flow.tiny_flux, guidance_embeds=False), flux_by_hand, flux_prompt, FLAT, frozenset(FLUX_SITES)
    ),
    "qwen": Kind(tiny_flow.tiny_qwen, qwen_by_hand, plain_prompt, FLAT, frozenset(QWEN_SITES)),
    "wan": Kind(tiny_flow.tiny_wan, wan_by_hand, plain_prompt, VIDEO, frozenset(WAN_SITES)),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def denoiser(kind: Kind) -> FlowDenoiser:
    return FlowDenoiser(kind.build())


@pytest.fixture(scope="module")
def x(kind: Kind) -> Tensor:
    return normal(*kind.shape, seed=0)


@pytest.fixture(scope="module")
def sd3() -> FlowDenoiser:
    return FlowDenoiser(tiny_flow.tiny_sd3())


@pytest.fixture(scope="module")
def picture() -> Tensor:
    """Two latents of a tiny picture's size."""
    return normal(2, 4, 10, 14, seed=3)


CHECKS = (conformance.check_shape_dtype, conformance.check_deterministic, conformance.check_batch_is_stack)


@pytest.mark.parametrize("guidance", [1.0, 7.5], ids=["plain", "guided"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms(check, guidance, kind, denoiser, x):
    check(denoiser, x, SIGMA, Cond(kind.prompt(1), kind.prompt(2), guidance))


@pytest.mark.parametrize("sigma", [0.013, 0.7, 1.0])
def test_predicts_as_the_network_called_by_hand(sigma, kind, denoiser, x):
    """D = x - sigma v: within what float32 keeps of v."""
    sigma = torch.tensor(sigma, dtype=torch.float64)
    with torch.no_grad():
        expected = x - sigma * kind.by_hand(denoiser.network, x, sigma, kind.prompt(1))
    torch.testing.assert_close(denoiser(x, sigma, Cond(kind.prompt(1))), expected, rtol=1e-6, atol=1e-6)


def test_a_level_is_told_unrounded(kind, denoiser, x):
    """Two levels within one of the scheduler's thousand are two levels."""
    close = [torch.tensor(s, dtype=torch.float64) for s in (0.5001, 0.5004)]
    velocities = [(x - denoiser(x, s, Cond(kind.prompt(1)))) / s for s in close]
    assert not torch.equal(*velocities)


def test_a_guided_call_is_both_branches(kind, denoiser, x):
    cond, uncond = (denoiser(x, SIGMA, Cond(kind.prompt(seed))) for seed in (1, 2))
    guided = denoiser(x, SIGMA, Cond(kind.prompt(1), kind.prompt(2), 3.0))
    torch.testing.assert_close(guided, uncond + 3 * (cond - uncond), rtol=1e-5, atol=1e-5)


def test_a_prompt_per_picture(kind, denoiser, x):
    prompts = [kind.prompt(seed) for seed in (1, 2)]
    added = {name: torch.cat([p.added[name] for p in prompts]) for name in prompts[0].added}
    both = Prompt(torch.cat([p.embedding for p in prompts]), added)
    apart = torch.cat([denoiser(one, SIGMA, Cond(p)) for one, p in zip(x.split(1), prompts, strict=True)])
    torch.testing.assert_close(denoiser(x, SIGMA, Cond(both)), apart, rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_a_finite_difference(kind, x):
    """The slope along a direction of the unconditional embedding, of order 4: some layers count in float32 always."""
    denoiser, cond = FlowDenoiser(kind.build().double()), kind.prompt(1)
    start, way = (normal(1, 7, TEXT, seed=seed).double() for seed in (2, 9))

    def value(network: FlowDenoiser, embedding: Tensor) -> Tensor:
        guided = Cond(cond, network.with_embedding(kind.prompt(2), embedding), 3.0)
        return network(x.double(), SIGMA, guided).square().sum()

    with denoiser.differentiable() as network:
        embedding = start.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(value(network, embedding), embedding)
    near, far = (
        (value(denoiser, start + step * way) - value(denoiser, start - step * way)) / (2 * step)
        for step in (0.02, 0.04)
    )
    torch.testing.assert_close((slope * way).sum(), (4 * near - far) / 3, rtol=1e-4, atol=0)


def test_fingerprint_survives_half_precision_and_tells_models_apart(kind):
    same, half, other = kind.build(), kind.build().half(), kind.build(seed=9)
    prints = [FlowDenoiser(network).fingerprint for network in (same, half, other)]
    assert prints[0] == prints[1] != prints[2]


def test_half_precision_network_keeps_a_single_precision_state(kind, denoiser, x):
    x0 = FlowDenoiser(kind.build().to(torch.bfloat16))(x, SIGMA, Cond(kind.prompt(1)))
    assert x0.dtype == torch.float32
    torch.testing.assert_close(x0, denoiser(x, SIGMA, Cond(kind.prompt(1))), rtol=0.05, atol=0.1)


@pytest.mark.parametrize("guidance", [1.0, 7.5], ids=["plain", "guided"])
def test_an_edit_that_changes_nothing_changes_no_bit_and_sees_every_call(guidance, kind, denoiser, x):
    cond, seen = Cond(kind.prompt(1), kind.prompt(2), guidance), []
    plain = denoiser(x, SIGMA, cond)
    assert torch.equal(denoiser.edited()(x, SIGMA, cond), plain)
    assert torch.equal(denoiser.edited(conformance.pass_on(seen=seen), conformance.pass_on())(x, SIGMA, cond), plain)
    branches = {"cond", "uncond"} if guidance > 1 else {"cond"}
    assert {(site.block, site.kind, site.text) for site in seen} == kind.sites
    assert {site.branch for site in seen} == branches and {site.sigma for site in seen} == {float(SIGMA)}
    assert {site.grid for site in seen} == {(3, 3, 4) if x.ndim == 5 else (1, 5, 7)}
    assert len(seen) == len(kind.sites) * len(branches)


def test_the_network_is_the_same_after_edits(kind, denoiser, x):
    modules = list(denoiser.network.modules())

    def snapshot() -> dict[str, object]:
        hooks = {f"hooks {n}": len(m._forward_hooks) + len(m._forward_pre_hooks) for n, m in enumerate(modules)}
        return denoiser.network.state_dict() | hooks

    conformance.check_edited_leaves_model_untouched(denoiser, x, SIGMA, Cond(kind.prompt(1)), snapshot)


def test_own_keys_and_values_put_back_are_bit_identical_and_others_are_not(kind, denoiser, x):
    kept: dict[str, tuple[Tensor, ...]] = {}

    def record(attend, q, k, v, site):
        kept[site.kind + site.block] = (k, v)
        return attend(q, k, v)

    def inject(attend, q, k, v, site):
        return attend(q, *kept[site.kind + site.block])

    def call(name: str, apply, number: int) -> Tensor:
        edit = AttentionEdit(name, lambda site: True, apply)
        return denoiser.edited(edit)(x, SIGMA, Cond(kind.prompt(number)))

    plain = denoiser(x, SIGMA, Cond(kind.prompt(1)))
    assert torch.equal(call("record", record, 1), plain)
    assert torch.equal(call("inject", inject, 1), plain)
    call("record", record, 2)
    assert not torch.allclose(call("inject", inject, 1), plain, atol=1e-4)


def test_the_words_of_the_prompt_lie_where_the_site_says(kind, denoiser, x):
    """Doubling the values of the text acts; what is not the text is the picture."""
    cond, touched = Cond(kind.prompt(1)), []

    def louder(attend, q, k, v, site):
        scale = torch.ones(v.shape[2])
        scale[list(site.text)] = 2
        touched.append((q.shape[2], k.shape[2], len(site.text), site))
        return attend(q, k, scale[:, None] * v)

    edit = AttentionEdit("louder words", lambda site: bool(site.text), louder)
    assert not torch.allclose(denoiser.edited(edit)(x, SIGMA, cond), denoiser(x, SIGMA, cond), atol=1e-4)
    for queries, keys, text, site in touched:
        assert text == 7 and keys == 7 + (site.kind == "joint") * site.tokens
        assert queries == site.tokens + (site.kind == "joint") * 7


def test_another_prompt_moves_the_keys_of_its_text_alone_in_the_first_block(kind, denoiser, x):
    keys: list[tuple[Site, Tensor]] = []

    def note(attend, q, k, v, site):
        keys.append((site, k))
        return attend(q, k, v)

    edit = AttentionEdit("note", lambda site: site.block == "double.0", note)
    for prompt in (kind.prompt(1), replace(kind.prompt(1), embedding=kind.prompt(2).embedding)):
        denoiser.edited(edit)(x, SIGMA, Cond(prompt))
    half = len(keys) // 2
    (site, one), (_, other) = next((a, b) for a, b in zip(keys[:half], keys[half:], strict=True) if a[0].text)
    moved = (one != other).any(-1).any(1).any(0)
    assert moved[list(site.text)].all()
    if site.kind == "joint":
        assert not moved[site.image].any()


def test_rows_asked_apart_and_keys_beside_each_other_are_the_hosts_own(kind, denoiser, x):
    """Queries in two parts, and every key twice: attention is the same."""

    def apart(attend, q, k, v, site):
        k, v = (torch.cat([t, t], 2) for t in (k, v))
        return torch.cat([attend(part, k, v) for part in q.split([3, q.shape[2] - 3], 2)], 2)

    cond = Cond(kind.prompt(1), kind.prompt(2), 3.0)
    edited = denoiser.edited(AttentionEdit("apart", lambda site: True, apart))(x, SIGMA, cond)
    torch.testing.assert_close(edited, denoiser(x, SIGMA, cond), rtol=1e-4, atol=1e-4)


def test_an_edit_that_meets_no_call_names_those_there_were(kind, denoiser, x):
    with pytest.raises(UnmatchedEdit, match=r"pass on.*Calls seen: (joint|cross) double\.0 "):
        denoiser.edited(conformance.pass_on(where=lambda site: False))(x, SIGMA, Cond(kind.prompt(1)))


def test_prompts_of_different_lengths_are_asked_one_after_the_other(kind, denoiser, x):
    """As Qwen's are: there is no padding, so nothing to mask. An edit of one branch is met once."""
    cond, uncond = kind.prompt(1), replace(kind.prompt(2), embedding=kind.prompt(2).embedding[:, :4])
    x0, other = (denoiser(x, SIGMA, Cond(p)) for p in (cond, uncond))
    seen: list[Site] = []
    edits = conformance.pass_on(seen=seen), conformance.pass_on(where=lambda site: site.branch == "cond")
    guided = denoiser.edited(*edits)(x, SIGMA, Cond(cond, uncond, 3.0))
    torch.testing.assert_close(guided, other + 3 * (x0 - other), rtol=1e-5, atol=1e-5)
    assert {len(s.text) for s in seen if s.branch == "cond" and s.text} == {7}
    assert {len(s.text) for s in seen if s.branch == "uncond" and s.text} == {4}


@pytest.mark.parametrize("name", ["sd3", "flux", "qwen", "wan"])
def test_prompt_to_prompt_with_equal_prompts_is_the_source_and_with_others_takes_its_attention(name):
    kind = KINDS[name]
    denoiser, x, words = FlowDenoiser(kind.build()), normal(*kind.shape, seed=0), words_of(4)
    always, bank = SigmaRange(high=1.0, low=0.0), Bank()
    technique = prompt_to_prompt(align_replace(words, words), cross=always, self_attention=always)
    ours, theirs = (Cond(kind.prompt(seed)) for seed in (1, 4))
    source = denoiser.edited(technique.record(bank))(x, SIGMA, ours)
    assert torch.equal(source, denoiser(x, SIGMA, ours))
    torch.testing.assert_close(denoiser.edited(technique.inject(bank))(x, SIGMA, ours), source, rtol=1e-4, atol=1e-4)
    held, free = denoiser.edited(technique.inject(bank))(x, SIGMA, theirs), denoiser(x, SIGMA, theirs)
    assert not torch.allclose(held, free, atol=1e-3) and bool(torch.isfinite(held).all())


def words_of(count: int) -> PromptTokens:
    return PromptTokens(tuple(Word(str(n), (n + 1,)) for n in range(count)), 7)


def test_wans_attention_to_a_first_picture_is_left_alone():
    """Its text-to-video calls are met; those to the picture's own features are not."""
    network, text = tiny_flow.tiny_wan(image_dim=16, added_kv_proj_dim=24), 512
    places = transformer_attention(network, WAN, (3, 3, 4), text, 0.7)
    seen: list[tuple[Site, int]] = []

    def note(attend, q, k, v, site):
        seen.append((site, k.shape[2]))
        return attend(q, k, v)

    call = EditedCall((AttentionEdit("note", lambda site: True, note),))
    with torch.no_grad(), reached(places, call, ["cond"]):
        network(
            normal(1, 4, 3, 6, 8, seed=0),
            timestep=torch.tensor([700.0]),
            encoder_hidden_states=normal(1, text, TEXT, seed=1),
            encoder_hidden_states_image=normal(1, 257, 16, seed=2),
        )
    assert [(site.kind, keys) for site, keys in seen] == [("self", 36), ("cross", text)] * 2


def test_other_kernels_and_processors_are_refused(picture):
    flux = FlowDenoiser(tiny_flow.tiny_flux())
    flux.network.set_attention_backend("_native_math")
    try:
        with pytest.raises(ValueError, match=r"runs on _native_math\. Call its set_attention_backend\('native'\)"):
            flux.edited(conformance.pass_on())(picture, SIGMA, Cond(flux_prompt(1)))
        sd3 = FlowDenoiser(tiny_flow.tiny_sd3())
        sd3.network.set_attn_processor(FusedJointAttnProcessor2_0())
        with pytest.raises(
            ValueError, match=r"uses FusedJointAttnProcessor2_0\. Call its set_attn_processor\(JointAttn"
        ):
            sd3.edited(conformance.pass_on())(picture, SIGMA, Cond(sd3_prompt(1)))
    finally:  # diffusers keeps the choice for every network to come
        flux.network.set_attention_backend("native")


def test_a_mask_that_does_not_fit_an_edits_tokens_is_refused():
    """A mask that does is the call's own."""
    mask = torch.ones(1, 1, 1, 42, dtype=torch.bool)
    mask[..., :3] = False

    class Masked(torch.nn.Module):
        def forward(self, q):
            return torch.nn.functional.scaled_dot_product_attention(q, q, q, attn_mask=mask)

    module, q = Masked(), normal(2, 2, 42, 8, seed=0)

    def run(apply) -> Tensor:
        call = EditedCall((AttentionEdit("edit", lambda site: True, apply),))
        site = Site("double.0", "joint", "cond", 0.5, (1, 5, 7), FIRST)
        with reached({module: lambda text, queries, keys: site}, call, ["cond"]):
            return module(q)

    assert torch.equal(run(lambda attend, q, k, v, site: attend(q, k, v)), module(q))
    with pytest.raises(
        ValueError, match=r"attention of 42 to 84 tokens in 2 rows, but the network masks it with \(1, 1"
    ):
        run(lambda attend, q, k, v, site: attend(q, torch.cat([k, k], 2), torch.cat([v, v], 2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, p: (x[:, :3], p), r"takes latents \[batch, 4, height, width\]"),
        (lambda x, p: (x[:, :, None], p), "takes latents"),
        (lambda x, p: (x[..., :-1], p), "pieces of 2 x 2"),
        (lambda x, p: (x, Prompt(p.embedding[..., :16], p.added)), f"{TEXT} features"),
        (lambda x, p: (x, Prompt(p.embedding)), "must also carry pooled"),
        (lambda x, p: (x, Prompt(p.embedding.expand(3, -1, -1), p.added)), "3 rows for 2 images"),
    ],
)
def test_what_does_not_fit_is_refused(change, message, sd3, picture):
    x, prompt = change(picture, sd3_prompt(1))
    with pytest.raises(ValueError, match=message):
        sd3(x, SIGMA, Cond(prompt))


def test_a_network_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"is a UNet2DConditionModel; .*SD3Transformer2DModel, FluxTransformer2DModel"):
        FlowDenoiser(tiny_diffusion.tiny_unet())


@pytest.mark.parametrize("inversion", INVERSIONS)
def test_every_inversion_starts_from_pure_noise(inversion, sd3, picture):
    """The grid's first level is exactly 1, where alpha is 0: nothing divides by it."""
    assert SIGMAS[0] == 1 and RF.alpha(SIGMAS[0]) == 0
    trajectory = invert(INVERSIONS[inversion], sd3, picture, SIGMAS, Cond(sd3_prompt(1), sd3_prompt(2)))
    assert all(bool(torch.isfinite(x).all()) for x in trajectory.xs)
    walk = replay(trajectory, sd3, Cond(sd3_prompt(1)))
    assert bool(torch.isfinite(walk.xs[-1]).all())
    white = whiteness(trajectory)
    assert 0 < white.std < float("inf") and abs(white.neighbour_correlation) <= 1


def test_a_fixed_point_inversion_leads_back(sd3, picture, tmp_path):
    """Also from its file, which holds the same bits."""
    trajectory = invert(INVERSIONS["fixed point"], sd3, picture, SIGMAS, Cond(sd3_prompt(1)))
    assert max(trajectory.residuals) <= 1e-5
    save(trajectory, tmp_path / "t.safetensors")
    loaded = load_trajectory(tmp_path / "t.safetensors")
    assert loaded.path is RF and torch.equal(loaded.sigmas, SIGMAS)
    assert all(torch.equal(a, b) for a, b in zip(loaded.xs, trajectory.xs, strict=True))
    walk = replay(loaded, sd3, Cond(sd3_prompt(1)))
    assert float((walk.xs[-1] - picture).abs().max()) < 1e-3
    assert max(drift(walk.xs, trajectory)) < 1e-3


def test_null_text_lowers_its_losses_under_inference_mode(sd3, picture):
    wishes = [p.requires_grad for p in sd3.network.parameters()]
    cond = Cond(sd3_prompt(1), sd3_prompt(2), 7.5)
    with torch.inference_mode():
        trajectory = invert(INVERSIONS["ddim"], sd3, picture, SIGMAS, cond.alone())
        result = optimize_null_text(trajectory, sd3, cond, inner_steps=3)
    assert all(last <= first for first, last in zip(result.first, result.last, strict=True))
    assert sum(result.last) < sum(result.first)
    assert [p.requires_grad for p in sd3.network.parameters()] == wishes
    assert all(p.grad is None for p in sd3.network.parameters())


def job(denoiser: FlowDenoiser, prompt: Callable[[int], Prompt], picture: Tensor) -> EditJob:
    ours, theirs = (Cond(prompt(seed), prompt(2), 3.0) for seed in (1, 4))
    return EditJob(denoiser, picture, SIGMAS, ours, theirs)


@pytest.mark.parametrize("method", [name for name, editor in EDITORS.items() if editor.uncond])
def test_what_works_on_the_unconditional_branch_is_refused_where_it_was_distilled_away(method, picture):
    distilled, plain = (FlowDenoiser(tiny_flow.tiny_flux(guidance_embeds=has)) for has in (True, False))
    assert distilled.distilled and not plain.distilled
    with pytest.raises(ValueError, match="this model does not have: guidance was distilled"):
        EDITORS[method].edit(job(distilled, flux_prompt, picture))
    assert bool(torch.isfinite(EDITORS[method].edit(job(plain, flux_prompt, picture)).target).all())


def test_null_text_itself_refuses_a_distilled_model(picture):
    flux, cond = FlowDenoiser(tiny_flow.tiny_flux()), Cond(flux_prompt(1), flux_prompt(2), 3.0)
    trajectory = invert(INVERSIONS["ddim"], flux, picture, SIGMAS, cond.alone())
    with pytest.raises(ValueError, match="Null-text changes the unconditional branch"):
        optimize_null_text(trajectory, flux, cond)


def test_distilled_guidance_is_an_input_of_the_network(picture):
    flux = FlowDenoiser(tiny_flow.tiny_flux())
    weak, strong = (flux(picture, SIGMA, Cond(flux_prompt(1, guidance))) for guidance in (1.0, 5.0))
    assert not torch.allclose(weak, strong, atol=1e-5)
    with pytest.raises(ValueError, match="must also carry guidance"):
        flux(picture, SIGMA, Cond(Prompt(flux_prompt(1).embedding, {"pooled": flux_prompt(1).added["pooled"]})))


def test_direct_editing_holds_the_source_on_a_distilled_model(picture):
    """Two distilled prompts, no classifier-free guidance: the source is the picture, the target is another."""
    flux = FlowDenoiser(tiny_flow.tiny_flux())
    edited = EDITORS["direct"].edit(EditJob(flux, picture, SIGMAS, Cond(flux_prompt(1)), Cond(flux_prompt(4))))
    assert torch.equal(edited.source[-1], picture)
    assert bool(torch.isfinite(edited.target).all()) and not torch.allclose(edited.target, picture, atol=1e-3)
