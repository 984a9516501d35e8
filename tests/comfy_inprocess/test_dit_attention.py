"""Attention edits on transformers: what an edit sees of them, and what of the host and of other packs stays as it was."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import comfy.ldm.modules.attention as kernels
import comfy.patcher_extension
import comfy.supported_models
import pytest
import torch
from torch import Tensor

from harness import tiny_comfy
from harness.conformance import check_edited_leaves_model_untouched, doubled, pass_on
from harness.tiny_comfy import FAMILIES, FLUX, SD3, WAN, Family, conditioning, model_of, tiny_sd15
from latent_inversion.inversion_core.attention.bank import Bank
from latent_inversion.inversion_core.attention.edited_call import EditedCall
from latent_inversion.inversion_core.attention.site import AttentionEdit, Site, UnmatchedEdit
from latent_inversion.inversion_core.backends.comfy.attention import check_editable
from latent_inversion.inversion_core.backends.comfy.denoiser import run
from latent_inversion.inversion_core.backends.comfy.dit import _Call
from latent_inversion.inversion_core.backends.comfy.patches import Memory
from latent_inversion.inversion_core.backends.comfy.sites import Edits
from latent_inversion.inversion_core.types import Cond
from latent_inversion.toybox.hosts.comfy_loader import load_comfy

SIGMA = torch.tensor(0.6, dtype=torch.float64)
GRID = torch.tensor([1.0, 0.0], dtype=torch.float64)
TEXT, PATCHES = 6, (4, 6)
"""Tokens of the prompts, and of the pictures: 8 x 12 in patches of 2."""
WAN_I2V = WAN | {"model_type": "i2v", "in_dim": 36}
VISION = type(
    "Vision", (), {"penultimate_hidden_states": torch.randn(1, 5, 1280, generator=torch.Generator().manual_seed(3))}
)()


@pytest.fixture(autouse=True)
def no_search_for_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether another pack's node remembers anything costs evaluations of its own, which are not counted here."""
    monkeypatch.setattr(Memory, "of", classmethod(lambda cls, *_: cls((), ())))


def pair(prompts: Any, name: str = "source") -> Cond:
    """A prompt under guidance by two evaluations, also on networks that take guidance as an input."""
    return Cond(prompts(name).cond, prompts("empty").cond, 3.0)


def tiny_sd35() -> Any:
    """Medium: its first block attends a second time, among the image tokens."""
    return model_of(comfy.supported_models.SD3(SD3 | {"x_block_self_attn_layers": [0]}), 0)


def tiny_vace() -> Any:
    sizes = {"model_type": "vace", "vace_layers": 1, "vace_in_dim": 96}
    return model_of(comfy.supported_models.WAN21_Vace(WAN | sizes), 0)


def tiny_camera() -> Any:
    return model_of(comfy.supported_models.WAN21_Camera(WAN | {"model_type": "camera", "in_dim": 32}), 0)


def tiny_flux2() -> Any:
    """Tokens of one latent place, and modulation that all blocks share."""
    sizes = {"image_model": "flux2", "in_channels": 128, "out_channels": 128, "patch_size": 1, "vec_in_dim": None}
    sizes |= {"axes_dim": [8, 8, 8, 8], "theta": 2000, "qkv_bias": False, "ops_bias": False, "txt_ids_dims": [3]}
    modulation = {"global_modulation": True, "mlp_silu_act": True, "default_ref_method": "index"}
    return model_of(comfy.supported_models.Flux2(FLUX | sizes | modulation), 0)


def tiny_wan_i2v() -> Any:
    return model_of(comfy.supported_models.WAN21_I2V(WAN_I2V), 0)


SD35 = Family("sd35", tiny_sd35, (2, 16, 8, 12), "rf", pooled=True)
WAN_PICTURE = Family("wan i2v", tiny_wan_i2v, (1, 16, 3, 8, 12), "rf", extra={"clip_vision_output": VISION})
VACE = Family("wan vace", tiny_vace, (1, 16, 3, 8, 12), "rf")
CAMERA = Family("wan camera", tiny_camera, (1, 16, 3, 8, 12), "rf", extra={"clip_vision_output": VISION})
CAPTIONS = {
    "source": "a photo of a white cat in a plain red shirt",
    "target": "a photo of a black cat in a plain red shirt",
    "empty": "",
}
CALLS = {
    FAMILIES["sd3"]: {("double.0", "joint"), ("double.1", "joint")},
    SD35: {("double.0", "joint"), ("double.0", "self"), ("double.1", "joint")},
    FAMILIES["flux"]: {("double.0", "joint"), ("single.0", "joint")},
    FAMILIES["qwen"]: {("double.0", "joint"), ("double.1", "joint")},
    FAMILIES["wan"]: {(block, kind) for block in ("double.0", "double.1") for kind in ("self", "cross")},
    WAN_PICTURE: {(block, kind) for block in ("double.0", "double.1") for kind in ("self", "cross")},
    VACE: {(block, kind) for block in ("double.0", "double.1") for kind in ("self", "cross")},
    CAMERA: {(block, kind) for block in ("double.0", "double.1") for kind in ("self", "cross")},
}
if hasattr(comfy.supported_models, "Flux2"):
    CALLS[Family("flux2", tiny_flux2, (2, 128, *PATCHES), "rf")] = CALLS[FAMILIES["flux"]]
every = pytest.mark.parametrize("family", CALLS, ids=lambda family: family.name)


@pytest.fixture(scope="module", autouse=True)
def in_a_node() -> Iterator[None]:
    with torch.inference_mode():
        yield
    model_in.cache_clear()


@cache
def model_in(family: Family) -> Any:
    return family.build()


def inside(family: Family, body: Callable[..., Any], *, model: Any = None, latent: Any = None, **prompts: Any) -> Any:
    """What `body(denoiser, noisy, prompts)` returns, on two pictures or videos: a kernel may round one alone otherwise."""
    known = {name: family.conditioning(seed) for seed, name in enumerate(("source", "target", "empty"))} | prompts
    start = family.latent()["samples"] if latent is None else latent
    start = start if len(start) > 1 else torch.cat([start, start.flip(-1)])

    def noisy(denoiser: Any, x: Tensor, prepared: Any) -> Any:
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(5))
        return body(denoiser, 0.4 * x + 0.6 * noise, prepared)

    return run(model or model_in(family), known, start, GRID, noisy)


def split(model: Any) -> Any:
    """The model on a host that evaluates prompt by prompt, as where memory is short."""

    def one_by_one(executor: Any, inner: Any, conds: Any, x: Any, t: Any, options: Any) -> Any:
        alone = [[c if n == m else None for m, c in enumerate(conds)] for n in range(len(conds))]
        return [executor(inner, own, x, t, options)[n] for n, own in enumerate(alone)]

    model = model.clone()
    model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.CALC_COND_BATCH, "test", one_by_one)
    return model


def on_values(change: Callable[[Tensor, Site], Tensor], where: Any = lambda site: True) -> AttentionEdit:
    return AttentionEdit("values", where, lambda attend, q, k, v, site: attend(q, k, change(v, site)))


def text_of(family: Family) -> int:
    """The tokens of a prompt of `TEXT` tokens in the network; Flux 2 has empty ones before it."""
    return 512 if family.name == "flux2" else TEXT


# What an edit sees


@every
def test_a_neutral_edit_changes_no_bit_and_sees_every_call(family: Family) -> None:
    def body(denoiser: Any, x: Tensor, prompts: Any) -> None:
        for guidance in (1.0, 3.0):
            cond, seen = prompts("source", "empty", guidance), []
            assert torch.equal(denoiser.edited(pass_on(seen=seen))(x, SIGMA, cond), denoiser(x, SIGMA, cond))
            assert {(site.block, site.kind) for site in seen} == CALLS[family]
            assert {site.branch for site in seen} == ({"cond", "uncond"} if cond.guided else {"cond"})
            assert len(seen) == len(set(seen)) and {site.sigma for site in seen} == {0.6}
            assert {site.grid for site in seen} == {(x.shape[2] if x.ndim == 5 else 1, *PATCHES)}
            assert all(site.text == range(0 if site.kind == "self" else text_of(family)) for site in seen)

    inside(family, body)


@every
def test_what_is_seen_is_text_before_image(family: Family) -> None:
    """Queries and keys of joint attention hold both; the rows are the pictures of one prompt."""
    shapes, text = [], text_of(family)

    def note(attend: Any, q: Tensor, k: Tensor, v: Tensor, site: Site) -> Tensor:
        both = {"joint": (text + site.tokens,) * 2, "self": (site.tokens,) * 2, "cross": (site.tokens, text)}
        assert (q.shape[2], k.shape[2]) == both[site.kind] and k.shape == v.shape and len(q) == 2
        shapes.append(q.shape)
        return attend(q, k, v)

    def body(denoiser: Any, x: Tensor, prompts: Any) -> None:
        denoiser.edited(AttentionEdit("note", lambda site: True, note))(x, SIGMA, pair(prompts))

    inside(family, body)
    assert len(shapes) == 2 * len(CALLS[family])


@every
def test_its_own_keys_and_values_change_no_bit_and_anothers_do(family: Family) -> None:
    bank = Bank()

    def keep(attend: Any, q: Tensor, k: Tensor, v: Tensor, site: Site) -> Tensor:
        bank.record("own", site, k, v)
        return attend(q, k, v)

    record = AttentionEdit("record", lambda site: True, keep)
    inject = AttentionEdit("inject", lambda site: True, lambda attend, q, k, v, s: attend(q, *bank.recall("own", s)))

    def body(denoiser: Any, x: Tensor, prompts: Any) -> None:
        source, target = (pair(prompts, name) for name in ("source", "target"))
        plain = denoiser.edited(record)(x, SIGMA, source)
        assert torch.equal(denoiser.edited(inject)(x, SIGMA, source), plain)
        assert not torch.equal(denoiser.edited(inject)(x, SIGMA, target), denoiser(x, SIGMA, target))

    inside(family, body)


@pytest.mark.parametrize("family", [f for f in CALLS if ("double.0", "joint") in CALLS[f]], ids=lambda f: f.name)
def test_the_text_tokens_are_the_prompts_and_the_others_the_pictures(family: Family) -> None:
    """In the first block the text's values depend on the words alone, the image's on the picture alone."""
    ((words, extra),), ((other, _),) = family.conditioning(0), family.conditioning(1)
    kept: list[tuple[Tensor, Tensor]] = []

    def keep(v: Tensor, site: Site) -> Tensor:
        kept.append((v[:, :, site.text.start : site.text.stop], v[:, :, site.text.stop :]))
        return v

    def body(denoiser: Any, x: Tensor, prompts: Any) -> None:
        edited = denoiser.edited(on_values(keep, lambda site: (site.block, site.kind) == ("double.0", "joint")))
        for picture, name in ((x, "source"), (x, "target"), (x.flip(-1), "source")):
            edited(picture, SIGMA, prompts(name))

    inside(family, body, source=[[words, extra]], target=[[other, extra]])
    (text, image), (other_text, same_image), (same_text, other_image) = kept
    assert torch.equal(text, same_text) and not torch.equal(text, other_text)
    assert torch.equal(image, same_image) and not torch.equal(image, other_image)


@every
def test_the_words_count(family: Family) -> None:
    def louder(v: Tensor, site: Site) -> Tensor:
        factor = torch.ones(v.shape[2])
        factor[site.text.start : site.text.stop] = 3
        return v * factor[:, None]

    def body(denoiser: Any, x: Tensor, prompts: Any) -> None:
        cond = prompts("source")
        words = denoiser.edited(on_values(louder, lambda site: bool(site.text)))(x, SIGMA, cond)
        assert not torch.allclose(words, denoiser(x, SIGMA, cond), rtol=1e-3)

    inside(family, body)


def test_the_image_tokens_are_the_rows_of_the_grid() -> None:
    """A value put at one place of the grid in the last block comes out in that patch of the picture, and only there."""
    family, (row, column) = FAMILIES["flux"], (2, 5)

    def at_place(attend: Any, q: Tensor, k: Tensor, v: Tensor, site: Site) -> Tensor:
        out = attend(q, k, v).clone()
        out[:, :, len(site.text) + row * site.grid[2] + column] += 1
        return out

    def body(denoiser: Any, x: Tensor, prompts: Any) -> Tensor:
        edit = AttentionEdit("place", lambda site: site.block == "single.0", at_place)
        return denoiser.edited(edit)(x, SIGMA, prompts("source")) - denoiser(x, SIGMA, prompts("source"))

    changed = inside(family, body).abs().amax((0, 1)) > 0
    expected = torch.zeros(8, 12, dtype=torch.bool)
    expected[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = True
    assert torch.equal(changed, expected)


@pytest.mark.parametrize("divided", [False, True], ids=["one batch", "split"])
@every
def test_the_branches_are_told_apart(family: Family, divided: bool) -> None:
    """An edit of one branch is guided as a changed prediction of that branch."""
    model = split(model_in(family)) if divided else model_in(family)
    batches = []

    def count(executor: Any, x: Tensor, *more: Any, **options: Any) -> Any:
        batches.append(len(x))
        return executor(x, *more, **options)

    model = model.clone()
    model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.APPLY_MODEL, "count", count)

    def body(denoiser: Any, x: Tensor, prompts: Any) -> None:
        both, cond, uncond = pair(prompts), prompts("source"), prompts("empty")
        for branch, first, second in (("cond", cond, uncond), ("uncond", uncond, cond)):
            batches.clear()
            guided = denoiser.edited(doubled(lambda site, b=branch: site.branch == b))(x, SIGMA, both)
            assert len(batches) == (2 if divided else 1)
            edited, plain = denoiser.edited(doubled())(x, SIGMA, first), denoiser(x, SIGMA, second)
            cond_x0, uncond_x0 = (edited, plain) if branch == "cond" else (plain, edited)
            torch.testing.assert_close(guided, uncond_x0 + 3 * (cond_x0 - uncond_x0), rtol=1e-3, atol=1e-3)

    inside(family, body, model=model)


@every
def test_parts_of_a_prompt_are_told_apart(family: Family) -> None:
    both = [*family.conditioning(0), *family.conditioning(1)]

    def body(denoiser: Any, x: Tensor, prompts: Any) -> list[tuple[str, int]]:
        seen: list[Site] = []
        denoiser.edited(pass_on(seen=seen))(x, SIGMA, pair(prompts))
        return sorted({(site.branch, site.part) for site in seen})

    assert inside(family, body, source=both) == [("cond", 0), ("cond", 1), ("uncond", 0)]


@pytest.mark.parametrize(
    ("name", "grid"), [("sd3", (1, 4, 5)), ("flux", (1, 4, 5)), ("qwen", (1, 4, 5)), ("wan", (3, 4, 5))]
)
def test_sizes_that_patches_do_not_divide(name: str, grid: tuple[int, int, int]) -> None:
    family = FAMILIES[name]

    def body(denoiser: Any, x: Tensor, prompts: Any) -> set[Any]:
        seen: list[Site] = []
        cond = prompts("source")
        assert torch.equal(denoiser.edited(pass_on(seen=seen))(x, SIGMA, cond), denoiser(x, SIGMA, cond))
        return {site.grid for site in seen}

    assert inside(family, body, latent=family.latent()["samples"][..., :7, :9].contiguous()) == {grid}


def test_an_area_has_a_grid_of_its_own() -> None:
    family = FAMILIES["sd3"]
    (tensor, extra), *_ = family.conditioning(0)
    area = [[tensor, extra | {"area": (4, 8, 0, 4), "strength": 1.0}]]

    def body(denoiser: Any, x: Tensor, prompts: Any) -> set[Any]:
        seen: list[Site] = []
        denoiser.edited(pass_on(seen=seen))(x, SIGMA, prompts("source"))
        return {(site.part, site.grid) for site in seen}

    assert inside(family, body, source=[*area, *family.conditioning(1)]) == {(0, (1, 2, 4)), (1, (1, 4, 6))}


@pytest.mark.parametrize("name", ["sd3", "flux", "qwen", "wan"])
def test_prompts_of_other_lengths(name: str) -> None:
    """The host evaluates them one by one, and each has its own text."""
    family = FAMILIES[name]
    long = conditioning(0, tokens=12, pooled=family.pooled, more=family.extra)

    def body(denoiser: Any, x: Tensor, prompts: Any) -> set[Any]:
        seen: list[Site] = []
        cond = pair(prompts)
        assert torch.equal(denoiser.edited(pass_on(seen=seen))(x, SIGMA, cond), denoiser(x, SIGMA, cond))
        return {(site.branch, len(site.text)) for site in seen if site.kind != "self"}

    assert inside(family, body, source=long) == {("cond", 12), ("uncond", 6)}


def test_the_toybox() -> None:
    """Its own weights: prompts of 32 tokens, pictures of 8 x 8."""
    model, clip, _ = load_comfy("flow")
    words = {name: clip.encode_from_tokens_scheduled(clip.tokenize(text)) for name, text in CAPTIONS.items()}
    latent = torch.randn(2, model.get_model_object("latent_format").latent_channels, 16, 16)

    def body(denoiser: Any, x: Tensor, prompts: Any) -> set[Any]:
        seen: list[Site] = []
        source, target = (pair(prompts, name) for name in ("source", "target"))
        plain = denoiser(x, SIGMA, source)
        assert torch.equal(denoiser.edited(pass_on(seen=seen))(x, SIGMA, source), plain)
        bank, of_words = Bank(), lambda v, site: v[:, :, site.text.start : site.text.stop]
        record = on_values(lambda v, site: bank.record("words", site, of_words(v, site)) or v)
        inject = on_values(lambda v, site: torch.cat([*bank.recall("words", site), v[:, :, site.text.stop :]], 2))
        denoiser.edited(record)(x, SIGMA, target)
        assert torch.equal(denoiser.edited(inject)(x, SIGMA, target), denoiser(x, SIGMA, target))
        assert not torch.equal(denoiser.edited(inject)(x, SIGMA, source), plain)
        return {(site.kind, site.grid, site.text) for site in seen}

    assert inside(FAMILIES["sd3"], body, model=model, latent=latent, **words) == {("joint", (1, 8, 8), range(32))}


# Where no edit applies


def test_pictures_beside_the_picture_are_not_taken_for_it() -> None:
    """Kontext appends the tokens of a reference picture: there is no one grid, so an edit meets nothing and says so."""
    family = FAMILIES["flux"]
    (tensor, extra), *_ = family.conditioning(0)
    reference = [[tensor, extra | {"reference_latents": [family.latent(1)["samples"]]}]]

    def body(denoiser: Any, x: Tensor, prompts: Any) -> None:
        with pytest.raises(UnmatchedEdit, match="Calls seen: none"):
            denoiser.edited(doubled())(x, SIGMA, prompts("source"))

    inside(family, body, source=reference)


def test_the_picture_that_a_video_starts_from_is_left_alone() -> None:
    """Its attention is another than that to the words: without it, the edited call is the words' own."""
    seen = []

    def watch(kernel: Any, q: Tensor, k: Tensor, *more: Any, **options: Any) -> Tensor:
        seen.append(k.shape[1])
        return kernel(q, k, *more, **options)

    def body(denoiser: Any, x: Tensor, prompts: Any) -> None:
        met: list[int] = []
        note = on_values(lambda v, site: met.append(v.shape[2]) or v)
        denoiser.edited(note)(x, SIGMA, prompts("source"))
        assert met == [72, TEXT] * 2 and seen == [72, 5, TEXT] * 2

    inside(WAN_PICTURE, body, model=with_override(model_in(WAN_PICTURE), watch))


def test_networks_of_other_kinds_are_refused() -> None:
    """A class that derives from one that is known may attend otherwise."""
    with pytest.raises(ValueError, match=r"this network is HunyuanVideo.*direct.*mask"):
        check_editable(model_in(FAMILIES["hunyuan"]).model.diffusion_model)
    network = model_in(FAMILIES["wan"]).model.diffusion_model
    other = object.__new__(type("OtherWan", (type(network),), {}))
    other.__dict__.update(network.__dict__)
    with pytest.raises(ValueError, match="this network is OtherWan"):
        check_editable(other)
    for family in (*CALLS, FAMILIES["sd15"]):
        check_editable(model_in(family).model.diffusion_model)


# Masks, and layouts


def masked(family: Family, seed: int) -> list[Any]:
    """A conditioning that says how strongly each token looks at each other, as a style model's does."""
    tokens = TEXT + PATCHES[0] * PATCHES[1]
    bias = torch.randn(1, tokens, tokens, generator=torch.Generator().manual_seed(seed))
    ((tensor, extra),) = family.conditioning(seed)
    return [[tensor, extra | {"attention_mask": bias, "attention_mask_img_shape": PATCHES}]]


def test_a_mask_is_that_of_the_rows() -> None:
    family = FAMILIES["flux"]
    prompts = {name: masked(family, seed) for seed, name in enumerate(("source", "empty"))}

    def body(denoiser: Any, x: Tensor, prompts: Any) -> None:
        cond, unmasked = pair(prompts), prompts("target")
        plain, seen = denoiser(x, SIGMA, cond), []
        assert torch.equal(denoiser.edited(pass_on(seen=seen))(x, SIGMA, cond), plain)
        assert {site.branch for site in seen} == {"cond", "uncond"}
        alone = denoiser.edited(doubled())(x, SIGMA, prompts("source"))
        both = denoiser.edited(doubled(lambda site: site.branch == "cond"))(x, SIGMA, cond)
        uncond = denoiser(x, SIGMA, prompts("empty"))
        torch.testing.assert_close(both, uncond + 3 * (alone - uncond), rtol=1e-3, atol=1e-3)
        longer = AttentionEdit(
            "longer",
            lambda site: True,
            lambda attend, q, k, v, site: attend(q, *(torch.cat([t, t], 2) for t in (k, v))),
        )
        assert torch.isfinite(denoiser.edited(longer)(x, SIGMA, unmasked)).all()
        with pytest.raises(ValueError, match=r"masks attention \(30 x 30 tokens\).* needs 30 x 60"):
            denoiser.edited(longer)(x, SIGMA, cond)

    inside(family, body, **prompts)


@pytest.mark.parametrize("whole", [False, True], ids=["merged", "skip_output_reshape"])
@pytest.mark.parametrize("heads_first", [False, True], ids=["3-D", "4-D"])
@pytest.mark.parametrize("ndim", [None, 2, 3, 4], ids=["no mask", "2-D mask", "3-D mask", "4-D mask"])
def test_every_layout_that_the_host_may_use(heads_first: bool, whole: bool, ndim: int | None) -> None:
    """Also a scale and fewer heads of keys than of queries, where the host's kernel knows them."""
    generator, heads, tokens = torch.Generator().manual_seed(0), 4, TEXT + 24
    q, k, v = torch.randn(3, 4, heads, tokens, 8, generator=generator)
    shapes = {None: None, 2: (tokens, tokens), 3: (4, tokens, tokens), 4: (4, 1, tokens, tokens)}
    mask = None if ndim is None else torch.randn(shapes[ndim], generator=generator)
    options = {"mask": mask, "skip_reshape": heads_first, "skip_output_reshape": whole, "attn_precision": None}
    if heads_first and hasattr(kernels, "TORCH_HAS_GQA"):
        k, v, options = k[:, :2], v[:, :2], options | {"scale": 0.3, "enable_gqa": True}
    given = [t if heads_first else t.transpose(1, 2).flatten(2) for t in (q, k, v)]
    extra = {"cond_or_uncond": [1, 0], "uuids": ["b", "a"]}
    call = EditedCall((pass_on(seen=(seen := [])),))
    entries = ([{"uuid": name, "model_conds": {}}] for name in "ab")
    edits = Edits.of(call, Cond(*entries), 0.5, torch.zeros(1, 16, 8, 8))
    override = _Call(edits, extra, (1, *PATCHES), TEXT, 4)._attention
    joint = iter(["joint"])
    got = override(
        "double.0", joint, None, kernels.attention_pytorch, *given, heads, transformer_options=extra, **options
    )
    assert torch.equal(got, kernels.attention_pytorch(*given, heads, **options))
    assert [site.branch for site in seen] == ["uncond", "cond"]


# What other packs put there


def with_override(model: Any, override: Callable[..., Tensor]) -> Any:
    model = model.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = override
    return model


@every
def test_another_packs_attention_lies_below(family: Family) -> None:
    """It sees the rows it is told of, and the edits change nothing of what it does."""
    calls = []

    def half(kernel: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, *more: Any, **options: Any) -> Tensor:
        extra = options["transformer_options"]
        calls.append((len(q), tuple(extra["cond_or_uncond"]), extra["optimized_attention_override"] is half))
        return kernel(q, k, 0.5 * v, heads, *more, **options)

    def body(denoiser: Any, x: Tensor, prompts: Any) -> None:
        cond = pair(prompts)
        plain, count = denoiser(x, SIGMA, cond), len(calls)
        assert set(calls) == {(4, (1, 0), True)}
        calls.clear()
        assert torch.equal(denoiser.edited(pass_on())(x, SIGMA, cond), plain)
        left_alone = {(4, (1, 0), True)} if family in (WAN_PICTURE, VACE, CAMERA) else set()
        assert set(calls) == {(2, (1,), True), (2, (0,), True)} | left_alone
        assert len(calls) == 2 * count - sum(rows == 4 for rows, *_ in calls)
        plain_of_bare = inside(family, lambda bare, x, prompts: bare(x, SIGMA, pair(prompts)))
        assert not torch.allclose(plain, plain_of_bare, rtol=1e-3)

    inside(family, body, model=with_override(model_in(family), half))


@every
def test_another_packs_block_patch_runs_around_the_edited_block(family: Family) -> None:
    """Also one that runs the block twice, and one that runs it not at all."""
    model, blocks = model_in(family).clone(), []

    def twice(args: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
        blocks.append(sorted(more))
        first, second = (more["original_block"](args | {k: args[k].clone() for k in ("img", "txt")}) for _ in range(2))
        return {name: first[name] if first[name] is None else 0.5 * (first[name] + second[name]) for name in first}

    def body(denoiser: Any, x: Tensor, prompts: Any) -> None:
        cond, seen = prompts("source"), []
        plain = denoiser(x, SIGMA, cond)
        assert blocks == [["original_block"]]
        assert torch.equal(denoiser.edited(pass_on(seen=seen))(x, SIGMA, cond), plain)
        of_first = [(site.block, site.kind) for site in seen if site.block == "double.0"]
        assert len(of_first) == 2 * len(set(of_first)) == 2 * sum(block == "double.0" for block, _ in CALLS[family])
        assert not torch.equal(denoiser.edited(doubled())(x, SIGMA, cond), plain)

    model.set_model_patch_replace(twice, "dit", "double_block", 0)
    inside(family, body, model=model)

    def skipped(args: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
        return {name: args[name] for name in ("img", "txt")}

    def without(denoiser: Any, x: Tensor, prompts: Any) -> None:
        seen: list[Site] = []
        denoiser.edited(pass_on(seen=seen))(x, SIGMA, prompts("source"))
        assert {site.block for site in seen} == {block for block, _ in CALLS[family]} - {"double.0"}

    model.set_model_patch_replace(skipped, "dit", "double_block", 0)
    inside(family, without, model=model)


def test_an_adapter_on_a_unet_adds_its_picture_below_an_edit() -> None:
    """In the style of an IP-Adapter: attention to other tokens is added to what the words give."""
    tokens = torch.randn(1, 4, 32, generator=torch.Generator().manual_seed(1))
    calls = []

    def adapter(q: Tensor, k: Tensor, v: Tensor, extra: dict[str, Any]) -> Tensor:
        picture = tokens.expand(len(q), -1, -1)
        active = torch.tensor([1.0 - index for index in extra["cond_or_uncond"]]).repeat_interleave(
            len(q) // len(extra["cond_or_uncond"])
        )
        calls.append(len(q))
        text = kernels.optimized_attention(q, k, v, extra["n_heads"])
        return text + active[:, None, None] * kernels.optimized_attention(q, picture, picture, extra["n_heads"])

    bare = tiny_sd15()
    adapted = bare.clone()
    adapted.set_model_attn2_replace(adapter, "input", 1)
    prompts = {name: conditioning(seed) for seed, name in enumerate(("source", "empty"))}

    def body(denoiser: Any, x: Tensor, prompts: Any) -> tuple[Tensor, ...]:
        cond = pair(prompts)
        plain = denoiser(x, SIGMA, cond)
        assert torch.equal(denoiser.edited(pass_on())(x, SIGMA, cond), plain)
        silent = denoiser.edited(
            AttentionEdit(
                "no words", lambda s: s.kind == "cross", lambda attend, q, k, v, s: attend(q, k, torch.zeros_like(v))
            )
        )
        return plain, silent(x, SIGMA, cond)

    latent = tiny_comfy.latent()
    (plain, silent), (with_picture, only_picture) = (
        inside(FAMILIES["sd15"], body, model=model, latent=latent, **prompts) for model in (bare, adapted)
    )
    assert calls[:4] == [4, 2, 2, 2] and not torch.equal(plain, with_picture)
    assert not torch.equal(silent, only_picture) and not torch.equal(only_picture, with_picture)


# The model


@every
def test_the_model_stays_as_it_was(family: Family) -> None:
    model = model_in(family)

    def snapshot() -> dict[str, Any]:
        weights = {name: value.clone() for name, value in model.model.state_dict().items()}
        hooks = {name: len(m._forward_hooks) for name, m in model.model.named_modules()}
        return weights | {"hooks": hooks, "options": str(model.model_options)}

    def body(denoiser: Any, x: Tensor, prompts: Any) -> None:
        check_edited_leaves_model_untouched(denoiser, x, SIGMA, pair(prompts), snapshot)

    inside(family, body)


def test_gradients_pass_through_an_edit() -> None:
    """ComfyUI evaluates a patched block of Stable Diffusion 3 again on the way back: the calls are the same ones."""

    def body(denoiser: Any, x: Tensor, prompts: Any) -> list[Tensor]:
        found = []
        with denoiser.differentiable() as network:
            prompt = prompts("source").cond
            for edits in ((), (pass_on(),)):
                variable = network.embedding(prompt).clone().requires_grad_(True)
                x0 = network.edited(*edits)(x.clone(), SIGMA, Cond(network.with_embedding(prompt, variable)))
                found += torch.autograd.grad(x0.square().mean(), variable)
        return found

    for family in (FAMILIES["sd3"], SD35):
        model = model_in(family)
        prompts = {"source": family.conditioning(0)}
        latent = family.latent()["samples"]
        plain, edited = run(model, prompts, latent, GRID, body, gradients=True)
        assert bool(plain.any())
        torch.testing.assert_close(plain, edited, rtol=1e-4, atol=1e-7)
