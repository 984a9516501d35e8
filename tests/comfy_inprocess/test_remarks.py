"""An edit that its prompts, numbers or windows make impossible is said, and one that is possible is not."""

from typing import Any

import pytest
import torch

from harness.tiny_comfy import FAMILIES
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_replace
from latent_inversion.inversion_core.techniques.settings import LocalBlend, PromptToPrompt
from latent_inversion.nodes.attention.attention_edit import AttentionPlan
from latent_inversion.nodes.attention.attention_edits import Plans
from latent_inversion.nodes.editing.edit_sampler import InversionEditSampler
from latent_inversion.nodes.editing.free_edit import InversionFreeEdit
from latent_inversion.nodes.editing.method_edit import InversionAnchoredEdit
from latent_inversion.nodes.editing.method_inputs import OWN, PUBLISHED
from latent_inversion.nodes.inverting.invert_latent import invert_latent
from latent_inversion.nodes.kit.remarks import equal
from latent_inversion.nodes.run.prompt_places import Text

pytestmark = pytest.mark.usefixtures("in_a_node")

FAMILY = FAMILIES["sd15"]
STEPS = 6
EQUAL, ALONE, NOTHING = "The target prompt equals the source prompt", "Only the last of", "The edit changed nothing"
WEIGHTS, WINDOWS = "word weights of Attention Edit do not act", "takes no attention from the source"
OPEN_IT = "Set cross_end to 0.4"
ALL = (EQUAL, ALONE, NOTHING, WEIGHTS, WINDOWS, OPEN_IT)


class Bench:
    def __init__(self) -> None:
        self.model, self.latent = FAMILY.model(), FAMILY.latent()
        self.prompts = {name: FAMILY.conditioning(seed) for seed, name in enumerate(("source", "target", "negative"))}
        self.same = self.prompts | {"target": FAMILY.conditioning(0)}
        self.record = invert_latent(self.model, self.latent, self.prompts["source"], None, STEPS, "normal", 1.0, "ddim")

    def sampled(self, prompts: Any = None, **settings: Any) -> str:
        known = {"preset": "balanced", "strength": 0.5, "guidance": 3.0, "anchor": "direct", "start": 0.0}
        known |= {"unconditional": "negative prompt"}
        output = InversionEditSampler.execute(self.model, self.record, **(prompts or self.prompts), **known | settings)
        return "\n".join(output.ui["text"])

    def by_method(self, prompts: Any = None, **settings: Any) -> str:
        known = {"method": "direct", "settings": PUBLISHED, "guidance": 3.0, "source_guidance": 1.0, "strength": 1.0}
        output = InversionAnchoredEdit.execute(self.model, self.record, **(prompts or self.prompts), **known | settings)
        return "\n".join(output.ui["text"])

    def free(self, prompts: Any = None, **settings: Any) -> str:
        known = {"method": "FlowEdit", "settings": OWN, "guidance": 3.0, "source_guidance": 3.0, "strength": 1.0}
        known |= {"seed": 0, "steps": STEPS, "scheduler": "normal"}
        output = InversionFreeEdit.execute(self.model, self.latent, **(prompts or self.prompts), **known | settings)
        return "\n".join(output.ui["text"])


@pytest.fixture(scope="module")
def bench(in_a_node: None) -> Bench:
    return Bench()


def words(*texts: str) -> PromptTokens:
    return PromptTokens(tuple(Word(text, (number + 1,)) for number, text in enumerate(texts)), 77)


def plans(
    cross: float = 0.4, own: float = 0.6, weights: Any = None, blend: LocalBlend | None = None, mask: Any = None
) -> Plans:
    texts = Text(words("a", "cat")), Text(words("a", "dog"))
    control = PromptToPrompt(align_replace, (0.0, cross), (0.0, own), weights or {})
    return Plans((AttentionPlan(texts, control, blend, mask),))


def far_mask() -> torch.Tensor:
    """One pixel, which no cell of the latent has a share of that counts."""
    mask = torch.zeros(1, 64, 96)
    mask[0, 0, 0] = 1e-6
    return mask


CASES: dict[str, tuple[Any, set[str]]] = {
    "a possible edit": (lambda b: b.sampled(), set()),
    "a possible edit with attention": (lambda b: b.sampled(attention_edit=plans()), set()),
    "a possible edit by a method": (lambda b: b.by_method(), set()),
    "a possible edit without inversion": (lambda b: b.free(), set()),
    "equal prompts": (lambda b: b.sampled(b.same), {EQUAL}),
    "equal prompts that give the source": (lambda b: b.sampled(b.same, guidance=1.0, anchor="none"), {EQUAL, NOTHING}),
    "equal prompts by a method": (lambda b: b.by_method(b.same), {EQUAL}),
    "equal prompts that give the picture": (lambda b: b.free(b.same), {EQUAL, NOTHING}),
    "equal prompts under DDCM": (lambda b: b.free(b.same, method="DDCM"), {EQUAL, NOTHING}),
    "strength 0 of a method": (lambda b: b.by_method(settings=OWN, strength=0.0), {ALONE}),
    "strength 0 without inversion": (lambda b: b.free(strength=0.0), {ALONE}),
    "a start at the very end": (lambda b: b.sampled(preset="as set below", start=1.0), {ALONE}),
    "the dial at 0, which is half of the steps": (lambda b: b.sampled(strength=0.0), set()),
    "windows of no step": (lambda b: b.sampled(attention_edit=plans(0.0, 0.0)), {WINDOWS}),
    "windows too short for a step": (lambda b: b.sampled(attention_edit=plans(0.02, 0.02)), {WINDOWS}),
    "windows that the dial closes": (lambda b: b.sampled(strength=1.0, attention_edit=plans()), {WINDOWS}),
    "word weights without their window": (
        lambda b: b.sampled(attention_edit=plans(0.0, 0.5, {"dog": 2.0})),
        {WEIGHTS, OPEN_IT},
    ),
    "word weights in a window too short for a step": (
        lambda b: b.sampled(attention_edit=plans(0.02, 0.5, {"dog": 2.0})),
        {WEIGHTS},
    ),
    "windows of no step by a method": (lambda b: b.by_method(attention_edit=plans(0.0, 0.0)), {WINDOWS}),
    "a mask that lets nothing through": (lambda b: b.sampled(mask=far_mask()), {NOTHING}),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_impossible_is_said(bench: Bench, name: str) -> None:
    run, expected = CASES[name]
    said = run(bench)
    assert {sentence for sentence in ALL if sentence in said} == expected, said


def test_conditionings_are_equal_by_their_values() -> None:
    first, again, other = FAMILY.conditioning(0), FAMILY.conditioning(0), FAMILY.conditioning(1)
    assert equal(first, again) and not equal(first, other)
    assert not equal(first, [*again, *other]) and not equal(first, [[again[0][0], again[0][1] | {"strength": 0.5}]])
    assert not equal(first, [[again[0][0], again[0][1] | {"control": object()}]])
