"""Inversion and editing below the nodes, on a tiny model: equal prompts, batches, masks, noise."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from harness import tiny_comfy
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word
from latent_inversion.inversion_core.techniques.settings import LocalBlend, PromptToPrompt
from latent_inversion.nodes.attention.attention_edit import AttentionPlan
from latent_inversion.nodes.attention.attention_edits import Plans
from latent_inversion.nodes.editing.edit_setup import NEGATIVE, Setup
from latent_inversion.nodes.editing.run_edit import edit_along
from latent_inversion.nodes.inverting.invert_latent import invert_latent
from latent_inversion.nodes.kit.noise import InvertedNoise
from latent_inversion.nodes.run.prompt_places import Text

PROMPTS = {
    "source": tiny_comfy.conditioning(1),
    "target": tiny_comfy.conditioning(2),
    "negative": tiny_comfy.conditioning(3),
}
WORDS = PromptTokens(tuple(Word(f"word{n}", (n + 1,)) for n in range(5)), 77)


pytestmark = pytest.mark.usefixtures("in_a_node")


@pytest.fixture(scope="module")
def record(model: Any) -> Any:
    latent = {"samples": tiny_comfy.latent(batch=2) / 0.18215}
    return invert_latent(model, latent, PROMPTS["source"], None, 5, "ddim_uniform", 1.0, "ddim")


def plans(weights: Mapping[str, float] = {}, **changes: Any) -> Plans:
    control = PromptToPrompt(cross=(0.0, 0.8), self_attention=(0.0, 0.6), weights=weights)
    return Plans((AttentionPlan((Text(WORDS), Text(WORDS)), **{"control": control} | changes),))


def setup(**changes: Any) -> Setup:
    return Setup(**{"guidance": 5.0, "anchor": "none", "unconditional": NEGATIVE, "start": 0.0} | changes)


def sample(
    model: Any, record: Any, prompts: dict[str, Any], plans: Plans | None = None, mask: Any = None, **changes: Any
) -> Any:
    return edit_along(model, record, prompts, setup(**changes).on, plans, mask)


def test_equal_prompts_give_the_source_run(model: Any, record: Any) -> None:
    same = PROMPTS | {"target": PROMPTS["source"]}
    edited = sample(model, record, same, plans=plans())
    torch.testing.assert_close(edited.target, edited.source[-1], rtol=1e-4, atol=1e-4)


def test_prompt_to_prompt_changes_the_target_and_not_the_source(model: Any, record: Any) -> None:
    free, held, again = (sample(model, record, PROMPTS, plans=p) for p in (None, plans(), plans()))
    assert not torch.equal(free.target, held.target) and torch.equal(held.target, again.target)
    assert all(torch.equal(a, b) for a, b in zip(free.source, held.source, strict=True))


def test_weights_change_the_edit(model: Any, record: Any) -> None:
    one, other = (sample(model, record, PROMPTS, plans=plans(weights=w)) for w in ({}, {"word2": 3.0}))
    assert not torch.equal(one.target, other.target)


def test_local_blend_by_words_keeps_the_source_elsewhere(model: Any, record: Any) -> None:
    words = LocalBlend(("word1",), ("word1",), (0.0, 1.0), 0.95)
    edited = sample(model, record, PROMPTS, plans=plans(control=None, blend=words), anchor="direct")
    kept = (edited.target == edited.source[-1]).all(1)
    assert bool(kept.any()) and not bool(kept.all())


def test_a_batch_is_edited_as_its_pictures(model: Any, record: Any) -> None:
    both = sample(model, record, PROMPTS, plans=plans())
    for number in range(2):
        latent = {"samples": tiny_comfy.latent(batch=2)[number : number + 1] / 0.18215}
        alone = invert_latent(model, latent, PROMPTS["source"], None, 5, "ddim_uniform", 1.0, "ddim")
        one = sample(model, alone, PROMPTS, plans=plans())
        torch.testing.assert_close(both.target[number : number + 1], one.target, rtol=1e-3, atol=1e-3)


def test_outside_the_mask_the_source_stays_exactly(model: Any, record: Any) -> None:
    mask = torch.zeros(1, 8, 12)
    mask[:, 2:5, 3:7] = 1
    edited = sample(model, record, PROMPTS, mask=mask, anchor="direct")
    outside = mask[:, None].expand_as(edited.target) == 0
    assert torch.equal(edited.target[outside], record.trajectory.xs[-1][outside])
    assert not torch.equal(edited.target[~outside], record.trajectory.xs[-1][~outside])


def test_a_late_start_stays_closer(model: Any, record: Any) -> None:
    early, late = (sample(model, record, PROMPTS, start=s, anchor="direct") for s in (0.0, 0.8))
    first, second = ((e.target - record.trajectory.xs[-1]).norm() for e in (early, late))
    assert second < first and len(late.source) == 2


@pytest.mark.parametrize("empty", [False, True])
def test_the_noise_starts_the_host_at_the_top(model: Any, record: Any, empty: bool) -> None:
    sampling, latents = (model.get_model_object(name) for name in ("model_sampling", "latent_format"))
    top, sigma = record.trajectory.xs[0], record.trajectory.sigmas[0]
    image = record.scale.samples(record.trajectory.xs[-1]) * (0 if empty else 1)
    noise = InvertedNoise(top, float(sigma), sampling, latents).generate_noise({"samples": image})
    start = image if empty else latents.process_in(image)
    at_top = bool(sigma >= sampling.sigma_max * (1 - 1e-5))
    torch.testing.assert_close(sampling.noise_scaling(sigma.float(), noise, start, at_top), top, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="of the same size"):
        InvertedNoise(top, float(sigma), sampling, latents).generate_noise({"samples": image[:1]})


def test_a_setup_says_what_the_dial_made_of_it_and_nothing_of_a_dial_that_is_not_used(record: Any) -> None:
    used = setup(preset="balanced", strength=0.25).turned()
    assert str(used).startswith("balanced, strength 0.25: guidance 4.0, the first 25% of the steps")
    assert str(setup(start=0.1).turned()).startswith("as set below: guidance 5.0, the first 10% of the steps")


def test_scale_leads_back_to_the_vaes_latents(record: Any) -> None:
    samples = tiny_comfy.latent(batch=2) / 0.18215
    torch.testing.assert_close(record.scale.samples(record.trajectory.xs[-1]), samples, rtol=1e-5, atol=1e-5)
