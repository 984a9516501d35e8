"""What other nodes hang on a model acts beside an edit as it does without, or a sentence says what to take off."""

import os
from collections.abc import Hashable
from functools import cache, partial
from typing import Any

import pytest
import torch

from harness.conformance import pass_on
from harness.equal_prompts import (
    CONDITIONINGS,
    EVERY_VERSION,
    FEW,
    SOURCE,
    STEPS,
    TARGET,
    TECHNIQUES,
    Bench,
    Conditioning,
    among,
    apart,
    ends,
)
from harness.patches import ANY, COUPLE, DIT, REMEMBERING, TABLE, UNET, stock
from harness.tiny_comfy import FAMILIES, conditioning, tiny_sd2, tiny_sd15
from latent_inversion.inversion_core.attention.site import Site
from latent_inversion.inversion_core.backends.comfy.denoiser import run
from latent_inversion.inversion_core.backends.comfy.model import path_of
from latent_inversion.nodes.attention.attention_edits import Plans
from latent_inversion.nodes.editing.edit_setup import NEGATIVE, Setup
from latent_inversion.nodes.editing.run_edit import edit_along
from latent_inversion.nodes.inverting.invert_latent import invert_latent

pytestmark = pytest.mark.usefixtures("in_a_node")

EQUAL = 1e-5
MANY = ("Prompt-to-Prompt replace", "local blend replace", "MasaCtrl", "KV Injection", "KV-Edit", "Plug-and-Play")
"""A technique of each kind: what it records, on which branches, and whether it reads words."""
EVERY = bool(os.environ.get("LATENT_INVERSION_EVERY_PAIR"))
"""Walks every technique through every form and every node: an hour."""
NEGATIVE_ALWAYS = {"SelfAttentionGuidance", "NAGuidance", "a prompt of its own", "PerpNeg"}
"""These have a second branch at every guidance, and Plug-and-Play gives all branches the source's conditional features."""
SIGMA = torch.tensor(2.5, dtype=torch.float64)
GRID = torch.tensor([1.0, 0.0], dtype=torch.float64)


class Patched(Bench):
    """A bench whose inversion is told the negative prompt too, which some nodes work on at every guidance."""

    def inverted(self, key: Hashable, source: Conditioning, negative: bool = True) -> Any:
        if key not in self.records:
            empty = self.clip.encode("") if negative else None
            latent, scheduler = self.family.latent(), self.family.scheduler
            self.records[key] = invert_latent(self.model, latent, source, empty, STEPS, scheduler, 1.0, "ddim")
        return self.records[key]

    def edited(self, plans: Plans, target: str = TARGET, guidance: float = 4.0) -> torch.Tensor:
        """The end of an edit along the trajectory that the model without patches would make."""
        record = Bench.inverted(bench(self.family.name, "none"), "plain", self.clip.encode(SOURCE))
        prompts = {"source": SOURCE, "target": target, "negative": ""}
        encoded = {name: self.clip.encode(text) for name, text in prompts.items()}
        return edit_along(self.model, record, encoded, Setup(guidance, "none", NEGATIVE, 0.0).on, plans).target


@cache
def bench(family: str, patch: str) -> Patched:
    node = (TABLE | COUPLE | REMEMBERING).get(patch)
    return Patched(FAMILIES[family], *([node.patch] if node else []))


def pairs(*families: str) -> list[tuple[str, str]]:
    found = []
    for family in families:
        networks = {ANY, family, UNET if FAMILIES[family].unet else DIT}
        found += [(family, patch) for patch, node in TABLE.items() if node.networks in networks]
    return found


def found(family: str, patch: str, form: str, techniques: tuple[str, ...]) -> dict[str, float]:
    """How far target and source end apart, of the techniques that the README says are equal then."""
    fit = [name for name in techniques if TECHNIQUES[name].equal and (FAMILIES[family].unet or name != "Plug-and-Play")]
    fit = [name for name in fit if name != "Plug-and-Play" or patch not in NEGATIVE_ALWAYS]
    return {name: apart(*ends(bench(family, patch), name, form)) for name in fit}


@pytest.mark.parametrize("few", EVERY_VERSION)
@pytest.mark.parametrize(("family", "patch"), pairs("sd15", "sd3", "flux", "qwen", "wan"))
def test_equal_prompts_give_the_source(family: str, patch: str, few: bool) -> None:
    names = tuple(among(TECHNIQUES if EVERY else MANY, few))
    if (family, patch) == ("wan", "context windows"):
        for name in (name for name in names if name.startswith("local blend")):
            with pytest.raises(ValueError, match="attention maps show only 2 of 3 frames"):
                found(family, patch, "plain", (name,))
        names = tuple(name for name in names if not name.startswith("local blend"))
    far = found(family, patch, "plain", names)
    assert {name: d for name, d in far.items() if not d <= EQUAL} == {}


@pytest.mark.newest_only(
    "how forms are built, and how patches act, test_equal_prompts shows on every version, and this file"
)
@pytest.mark.parametrize("form", [form for form in CONDITIONINGS if EVERY or form in ("concat", "combine", "area")])
@pytest.mark.parametrize(("family", "patch"), pairs("sd15", "sd3"))
def test_so_they_do_for_other_forms_of_a_conditioning(family: str, patch: str, form: str) -> None:
    far = found(family, patch, form, tuple(TECHNIQUES) if EVERY else FEW)
    assert {name: d for name, d in far.items() if not d <= EQUAL} == {}


MOVING = [pair for pair in pairs("sd15", "sd3") if TABLE[pair[1]].moves]


@pytest.mark.parametrize(("family", "patch"), MOVING)
def test_a_patch_acts_as_much_beside_an_edit_as_without(family: str, patch: str) -> None:
    """An edit that ends before it begins: the patch is there, and moves what it moves alone, to rounding."""
    if patch == "the same pass again":
        pytest.skip("it moves nothing, with or without")
    here, plain = bench(family, patch), bench(family, "none")
    idle = Plans()
    alone = apart(here.edited(idle), plain.edited(idle))

    def beside(denoiser: Any, x: torch.Tensor, prepared: Any) -> float:
        sigma = SIGMA if FAMILIES[family].unet else SIGMA / 4
        cond = prepared("source", "negative", 4.0)
        return apart(denoiser.edited(pass_on())(x, sigma, cond), denoiser(x, sigma, cond))

    prompts = {"source": here.clip.encode(SOURCE), "negative": here.clip.encode("")}
    assert alone > 1e-4
    assert run(here.model, prompts, FAMILIES[family].latent()["samples"], GRID, beside) < 1e-5


@pytest.mark.parametrize(
    "patch", ["PerturbedAttentionGuidance", "a perturbed pass", "PerpNeg", "SelfAttentionGuidance"]
)
def test_a_further_pass_is_a_turn_or_a_part_of_its_own(patch: str) -> None:
    here, seen = bench("sd15", patch), list[Site]()
    prompts = {"source": here.clip.encode(SOURCE), "negative": here.clip.encode("")}

    def body(denoiser: Any, x: torch.Tensor, prepared: Any) -> None:
        denoiser.edited(pass_on(seen=seen))(x, SIGMA, prepared("source", "negative", 4.0))

    run(here.model, prompts, FAMILIES["sd15"].latent()["samples"], GRID, body)
    true, more = (
        {("cond", 0, 0), ("uncond", 0, 0)},
        {
            "PerturbedAttentionGuidance": ("cond", 0, 1),
            "a perturbed pass": ("cond", 0, 1),
            "PerpNeg": ("uncond", -1, 0),
            "SelfAttentionGuidance": ("uncond", 0, 1),
        },
    )
    assert {(site.branch, site.part, site.turn) for site in seen} == true | {more[patch]}


@pytest.mark.parametrize("technique", ["Prompt-to-Prompt replace", "local blend refine", "MasaCtrl by words"])
def test_attention_couple_is_refused_where_words_count(technique: str) -> None:
    with pytest.raises(ValueError, match="passes the cross-attention more prompts than ComfyUI names"):
        ends(bench("sd15", "attention couple"), technique, "plain")


@pytest.mark.parametrize("technique", ["MasaCtrl", "KV Injection", "Plug-and-Play"])
def test_attention_couple_works_where_they_do_not(technique: str) -> None:
    assert apart(*ends(bench("sd15", "attention couple"), technique, "plain")) <= EQUAL


@pytest.mark.parametrize("family", ["sd15", "flux"])
@pytest.mark.parametrize("patch", [name for name in ("EasyCache", "LazyCache") if name in TABLE])
def test_caches_of_comfyui_leave_an_inversion_and_an_edit_as_they_are(family: str, patch: str) -> None:
    for make in (lambda b: b.inverted("plain", b.clip.encode(SOURCE)).trajectory.xs[0], lambda b: b.edited(Plans())):
        assert torch.equal(make(bench.__wrapped__(family, patch)), make(bench.__wrapped__(family, "none")))


@pytest.mark.parametrize("family", ["sd3", "flux"])
@pytest.mark.parametrize("patch", REMEMBERING)
def test_what_remembers_is_refused_by_name(family: str, patch: str) -> None:
    name = {"a cache": "Cache", "a cache inside": "cached_inside", "a running mean": "running_mean"}.get(patch, "APG")
    guidance = 1.0 if FAMILIES[family].distilled else 4.0
    if patch == "APG with momentum" and guidance == 1:
        pytest.skip("at guidance 1 it does not act")
    with pytest.raises(ValueError, match=rf"reuses earlier evaluations.*On the model are: {name}"):
        bench(family, patch).edited(Plans(), guidance=guidance)


def test_a_cache_that_hides_the_network_from_an_edit_is_named() -> None:
    with pytest.raises(ValueError, match=r"the network was not run where an edit should act.*Cache"):
        ends(bench("sd15", "a cache"), "KV Injection", "plain")


@pytest.mark.parametrize("patch", [name for name in ("SelfAttentionGuidance", "NAGuidance") if name in TABLE])
def test_what_works_on_the_negative_prompt_has_it_at_every_guidance(patch: str) -> None:
    """An inversion and the source of an edit then predict the same at guidance 1, whether they name it or not."""
    here = bench("sd15", patch)
    with pytest.raises(
        ValueError, match="uses the negative prompt even at guidance 1.*" + patch.removesuffix("uidance")
    ):
        Patched(FAMILIES["sd15"], TABLE[patch].patch).inverted("plain", here.clip.encode(SOURCE), negative=False)
    prompts = {"source": here.clip.encode(SOURCE), "negative": here.clip.encode("")}

    def body(denoiser: Any, x: torch.Tensor, prepared: Any) -> list[torch.Tensor]:
        return [denoiser(x, SIGMA, cond) for cond in (prepared("source"), prepared("source", "negative", 1.0))]

    alone, beside = run(here.model, prompts, FAMILIES["sd15"].latent()["samples"], GRID, body)
    assert torch.equal(alone, beside)
    plain = run(bench("sd15", "none").model, prompts, FAMILIES["sd15"].latent()["samples"], GRID, body)[0]
    assert apart(alone, plain) > 1e-4, "the node did nothing"


@pytest.mark.parametrize(
    "patch", [name for name in ("APG", "PerpNeg", "RescaleCFG", "TCFG", "FreSca") if name in TABLE]
)
def test_what_mixes_the_branches_of_guidance_does_not_act_where_there_is_one(patch: str) -> None:
    one, other = (bench.__wrapped__("sd15", name) for name in (patch, "none"))
    xs = [b.inverted("plain", b.clip.encode(SOURCE)).trajectory.xs[0] for b in (one, other)]
    assert torch.equal(*xs)


def told(model: Any, guidance: float) -> list[str]:
    """The names of what a prediction leaves out."""
    names: list[str] = []
    prompts = {"source": conditioning(1), "negative": conditioning(2)}

    def body(denoiser: Any, x: torch.Tensor, prepared: Any) -> None:
        denoiser(x, SIGMA, prepared("source", "negative", guidance))

    run(model, prompts, torch.ones(1, 4, 8, 12), GRID, body, left_out=names.append)
    return names


def test_what_is_left_out_is_told() -> None:
    model = TABLE["EasyCache"].patch(TABLE["RescaleCFG"].patch(tiny_sd15()))
    assert told(model, 1.0) == ["EasyCache", "RescaleCFG"]
    assert told(model, 4.0) == ["EasyCache"]
    assert model.wrappers, "the model itself keeps what is on it"


def test_samplings_that_a_network_cannot_follow_are_refused() -> None:
    as_kind = partial(stock, "nodes_model_advanced", "ModelSamplingDiscrete")
    for kind in ("eps", "lcm"):
        with pytest.raises(ValueError, match="predicts v, but a node on it"):
            path_of(as_kind(kind, False)(tiny_sd2()))
    with pytest.raises(ValueError, match=r"ends in pure noise \(sigma 4519"):
        path_of(as_kind("eps", True)(tiny_sd15()))
    for kind, zsnr in (("eps", False), ("lcm", False), ("v_prediction", True)):
        path_of(as_kind(kind, zsnr)(tiny_sd15()))
