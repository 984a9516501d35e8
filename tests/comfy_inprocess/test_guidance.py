"""Guidance where it is an input of the network: which number acts, which branch is evaluated, and what the nodes say."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import comfy.patcher_extension
import pytest
import torch

from harness.tiny_comfy import FAMILIES, FLUX, Family, tiny_flux
from latent_inversion.inversion_core.dial import FEW_STEPS
from latent_inversion.inversion_core.methods import EDITORS
from latent_inversion.nodes.editing.compare import compared
from latent_inversion.nodes.editing.edit_sampler import InversionEditSampler
from latent_inversion.nodes.editing.free_edit import InversionFreeEdit
from latent_inversion.nodes.editing.method_edit import (
    InversionAnchoredEdit,
    InversionExactEdit,
    InversionStochasticEdit,
)
from latent_inversion.nodes.editing.method_inputs import OWN, PUBLISHED
from latent_inversion.nodes.editing.video import InversionVideoEdit, InversionVideoInvert
from latent_inversion.nodes.inverting.ddim_invert import InversionDDIMInvert
from latent_inversion.nodes.inverting.invert_latent import invert_latent

pytestmark = pytest.mark.usefixtures("in_a_node")

SCHNELL = Family(
    "flux schnell", lambda: tiny_flux(settings=FLUX | {"guidance_embed": False}), (1, 16, 8, 12), "rf", pooled=True
)
FLUX_DEV = Family("flux dev", tiny_flux, (1, 16, 8, 12), "rf", pooled=True, distilled=True)
KINDS = {"sd15": FAMILIES["sd15"], "schnell": SCHNELL, "dev": FLUX_DEV}
SIMPLE = {"steps": 4, "scheduler": "simple", "seed": 0}


@dataclass
class Bench:
    """A tiny model whose calls are noted: the guidance that the network is told, and the rows that it is shown."""

    family: Family
    told: list[float | None] = field(default_factory=list)
    prompts_seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.prompts = {
            name: self.family.conditioning(seed) for seed, name in enumerate(("source", "target", "negative"))
        }
        self.model = self.family.model().clone()
        self.model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.APPLY_MODEL, "test", self.noted)

    def noted(self, executor: Any, x: Any, t: Any, *args: Any, **options: Any) -> Any:
        told = options.get("guidance")
        self.told.extend([None] * len(x) if told is None else [round(float(g), 3) for g in told.expand(len(x))])
        text = args[1] if len(args) > 1 else options["c_crossattn"]
        for name, number in (("source", 0), ("target", 1), ("negative", 2)):
            known = self.prompts[name][0][0]
            if any(torch.allclose(row[: known.shape[1]].float(), known[0], atol=1e-4) for row in text.cpu()):
                self.prompts_seen.add(number)
        return executor(x, t, *args, **options)

    @contextmanager
    def watched(self) -> Iterator["Bench"]:
        self.told.clear()
        self.prompts_seen.clear()
        yield self

    def brought(self, **guidance: float) -> dict[str, Any]:
        """The prompts with FluxGuidance behind those that are named."""
        return {
            name: [[prompt[0][0], prompt[0][1] | ({"guidance": guidance[name]} if name in guidance else {})]]
            for name, prompt in self.prompts.items()
        }

    def invert(self, method: str = "ddim", guidance: float = 1.0, steps: int = 4, **prompts: Any) -> Any:
        words = self.prompts | prompts
        latent, scheduler = self.family.latent(), self.family.scheduler
        return invert_latent(self.model, latent, words["source"], words["negative"], steps, scheduler, guidance, method)

    def sampled(self, record: Any, prompts: dict[str, Any] | None = None, **settings: Any) -> Any:
        known = {"preset": "balanced", "strength": 0.5, "guidance": 7.5, "anchor": "direct", "start": 0.0}
        known |= {"unconditional": "negative prompt"}
        return InversionEditSampler.execute(self.model, record, **(prompts or self.prompts), **known | settings)

    def free(self, prompts: dict[str, Any] | None = None, **settings: Any) -> Any:
        known = {"method": "FlowEdit", "settings": PUBLISHED, "guidance": 7.5, "source_guidance": 1.0, "strength": 1.0}
        known |= {"seed": 0, "steps": 8, "scheduler": self.family.scheduler}
        latent = self.family.latent()
        return InversionFreeEdit.execute(self.model, latent, **(prompts or self.prompts), **known | settings)

    def along(self, node: Any, record: Any, prompts: dict[str, Any] | None = None, **settings: Any) -> Any:
        known = {"settings": PUBLISHED, "guidance": 7.5, "source_guidance": 1.0, "strength": 1.0}
        return node.execute(self.model, record, **(prompts or self.prompts), **known | settings)


@pytest.fixture(scope="module")
def dev(in_a_node: None) -> Bench:
    return Bench(FLUX_DEV)


def text(output: Any) -> str:
    return "\n".join(output.ui["text"])


# Numbers of guidance are told to the network


def test_published_guidance_is_told_to_the_network(dev: Bench) -> None:
    with dev.watched():
        said = text(dev.free())
    assert set(dev.told) == {1.5, 5.5} and 2 not in dev.prompts_seen
    assert "1.5 for the source and 5.5 for the target" in said


def test_the_published_edit_is_the_one_with_flux_guidance_behind_the_prompts(dev: Bench) -> None:
    own = dev.free(dev.brought(source=1.5, target=5.5), settings=OWN, strength=24 / 28).result[0]["samples"]
    assert torch.equal(dev.free().result[0]["samples"], own)
    other = dev.free(settings=OWN, guidance=20.0, source_guidance=9.0, strength=24 / 28).result[0]["samples"]
    assert not torch.equal(own, other)


def test_published_goes_before_flux_guidance_and_that_before_numbers_set(dev: Bench) -> None:
    prompts = dev.brought(target=3.0)
    with dev.watched():
        said = text(dev.free(prompts))
    assert set(dev.told) == {1.5, 5.5} and "the published number goes before FluxGuidance's" in said
    with dev.watched():
        said = text(dev.free(prompts, settings=OWN, guidance=5.0, source_guidance=2.0))
    assert set(dev.told) == {2.0, 3.0} and "FluxGuidance's goes before the number here" in said


def test_an_untouched_default_is_replaced_and_a_number_set_on_purpose_acts(dev: Bench) -> None:
    record = dev.invert()
    with dev.watched():
        said = text(dev.sampled(record))
    assert set(dev.told) == {3.5} and "7.5, the default, is too high" in said and "3.5 for the target" in said
    with dev.watched():
        said = text(dev.sampled(record, guidance=5.0))
    assert set(dev.told) == {5.0} and "too high" not in said and "5 for the target" in said
    with dev.watched():
        dev.sampled(record, dev.brought(source=1.0, target=2.0), guidance=1.0)
    assert set(dev.told) <= {1.0, 2.0} and 2.0 in dev.told
    with dev.watched():
        dev.free(settings=OWN)
    assert set(dev.told) == {1.0, 5.5}, "the default of a method's node becomes the published number"


def test_no_node_asks_a_distilled_model_for_the_negative_prompt(dev: Bench) -> None:
    record, noisy = dev.invert(), dev.invert("edit-friendly DDPM", 3.5)
    with dev.watched():
        dev.sampled(record, guidance=4.0)
        dev.along(InversionAnchoredEdit, record, method="direct")
        dev.along(InversionStochasticEdit, noisy, method="edit-friendly DDPM")
        dev.free(settings=OWN, guidance=4.0)
    assert dev.prompts_seen == {0, 1}


def test_the_usual_guidance_is_what_comfyui_hands_to_the_model() -> None:
    from latent_inversion.nodes.run.guidance import usual

    for family in (FLUX_DEV, FAMILIES["hunyuan"]):
        model = family.model()
        bare = [
            [family.conditioning(0)[0][0], {k: v for k, v in family.conditioning(0)[0][1].items() if k != "guidance"}]
        ]
        facts = {"noise": family.latent()["samples"], "device": torch.device("cpu"), "cross_attn": bare[0][0]}
        conds = model.model.extra_conds(**facts, **bare[0][1], latent_shapes=None)
        assert float(conds["guidance"].cond) == usual(model)


def test_an_inversion_under_guidance_tells_it_to_the_network_and_keeps_it(dev: Bench) -> None:
    with dev.watched():
        assert dev.invert(guidance=2.0).trajectory.provenance.guidance == 2.0
        assert dev.invert(guidance=2.0, source=dev.brought(source=1.5)["source"]).trajectory.provenance.guidance == 1.5
    assert set(dev.told) == {2.0, 1.5} and dev.prompts_seen == {0}
    known = {"steps": 4, "scheduler": "simple", "guidance": 1.0, "method": "ddim"}
    assert "1 for the source" in text(
        InversionDDIMInvert.execute(dev.model, dev.family.latent(), dev.prompts["source"], **known)
    )


def test_equal_prompts_give_the_source_at_any_guidance_where_that_is_distilled(dev: Bench) -> None:
    record = dev.invert("fixed point")
    same = dev.prompts | {"target": dev.prompts["source"]}
    for guidance in (1.0, 4.0, 7.5):
        out = dev.sampled(record, same, guidance=guidance, anchor="none", preset=OWN)
        assert torch.equal(out.result[0]["samples"], out.result[1]["samples"])
    exact = dev.invert("EDICT", 2.0)
    back = dev.along(InversionExactEdit, exact, same, method="EDICT").result[1]["samples"]
    latent = dev.family.latent()["samples"]
    assert float((back - latent).norm() / latent.norm()) < 1e-4


# Models of few steps


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_step_model_is_shown_one_prompt_at_guidance_one(kind: str) -> None:
    bench = Bench(KINDS[kind])
    record, noisy = bench.invert(), bench.invert("edit-friendly DDPM")
    with bench.watched():
        said = text(bench.sampled(record, preset=FEW_STEPS))
        bench.along(InversionAnchoredEdit, record, method="direct", settings=FEW_STEPS)
        bench.along(InversionStochasticEdit, noisy, method="edit-friendly DDPM", settings=FEW_STEPS)
        free = text(bench.free(settings=FEW_STEPS, steps=28))
    assert bench.prompts_seen == {0, 1}
    expected = "3.5" if kind == "dev" else "1"
    assert f"{FEW_STEPS}, strength 0.5: guidance {float(expected):.1f}" in said
    assert f"FlowEdit: guidance {expected}, source guidance 1, strength 0.8" in free


def test_a_few_step_model_is_edited_by_all_methods_that_need_no_negative_prompt() -> None:
    bench = Bench(SCHNELL)
    with bench.watched():
        results = compared(bench.model, bench.family.latent(), [], **SIMPLE, few_steps=True, **bench.prompts)
    assert not [result.refused for result in results if result.refused]
    assert [result.name for result in results] == [name for name, editor in EDITORS.items() if not editor.uncond]
    assert bench.prompts_seen == {0, 1}


def test_a_long_trajectory_of_a_few_step_model_is_said() -> None:
    bench = Bench(SCHNELL)
    assert "has 20 steps" in text(bench.sampled(bench.invert(steps=20), preset=FEW_STEPS))
    assert "steps, which" not in text(bench.sampled(bench.invert(steps=8), preset=FEW_STEPS))


def test_what_needs_the_unconditional_branch_is_refused_on_a_few_step_model() -> None:
    bench = Bench(SCHNELL)
    with pytest.raises(ValueError, match=r"few-step model should not run\. Choose another"):
        bench.along(InversionAnchoredEdit, bench.invert(), method="h-Edit-D", settings=FEW_STEPS)


# Compare Methods


def test_every_method_that_fits_runs_on_a_distilled_model(dev: Bench) -> None:
    with dev.watched():
        results = compared(dev.model, dev.family.latent(), [], **SIMPLE, **dev.prompts)
    assert not {result.name: result.refused for result in results if result.refused}
    assert {"edit-friendly DDPM", "FlowEdit"} <= {result.name for result in results}
    assert {1.5, 5.5} <= set(dev.told) and 2 not in dev.prompts_seen


def test_a_clip_is_edited_at_the_usual_guidance_of_the_model(dev: Bench) -> None:
    frames = {"samples": dev.family.latent()["samples"].repeat(3, 1, 1, 1)}
    record = InversionVideoInvert.execute(
        dev.model, frames, dev.prompts["source"], steps=3, scheduler="simple", together=2
    ).result[0]
    known = {"way": "each frame", "spacing": 2, "window": 4, "together": 2}
    with dev.watched():
        said = text(InversionVideoEdit.execute(dev.model, record, **dev.prompts, guidance=7.5, **known))
    assert set(dev.told) == {3.5} and "3.5 for the target" in said and 2 not in dev.prompts_seen
