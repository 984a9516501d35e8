"""ProxNPI: between negative-prompt inversion (quantile 0) and the source's own path (quantile 1)."""

from dataclasses import replace

import pytest
import torch

from harness.networks import AttentionNetwork, Mixture
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.edit import Edit, Target
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.methods.negative_prompt import negative_prompt
from latent_inversion.inversion_core.methods.prox_npi import PULL_BELOW, hard_threshold, prox_npi, soft_threshold
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_refine
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas, window
from latent_inversion.inversion_core.techniques.prompt_to_prompt import prompt_to_prompt
from latent_inversion.inversion_core.types import Cond

GRIDS = {"ve": (VE, leading(scaled_linear_sigmas(), 8)), "rf": (RF, torch.linspace(1, 0, 9, dtype=torch.float64))}
FAMILIES = pytest.mark.parametrize("family", GRIDS)
SOURCE, EMPTY = torch.full((1, 5, 4), 0.6), torch.zeros(1, 5, 4)
TARGET = torch.linspace(-1, 0, 20).view(1, 5, 4)
SIGMA = torch.tensor(0.6, dtype=torch.float64)


def picture(rows=2):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, 4, 8, 8, generator=generator, dtype=torch.float64) * 0.5 + 0.4


def inverted(denoiser, family, x0=None):
    return invert(INVERSIONS["ddim"], denoiser, picture() if x0 is None else x0, GRIDS[family][1], Cond(SOURCE))


def edited(family, target, *, techniques=(), denoiser=None, wrap=None, **settings):
    denoiser = denoiser or Mixture(GRIDS[family][0])
    trajectory = inverted(denoiser, family)
    cond = negative_prompt(Cond(target, EMPTY, 7.5), Cond(SOURCE))
    wrap = prox_npi(trajectory, **settings) if wrap is None else None
    return Edit(trajectory, denoiser, Cond(SOURCE), [Target(cond, techniques, wrap)]).run()[0]


def controlled(family):
    tokens = PromptTokens(tuple(Word(str(i), (i,)) for i in range(1, 4)), 5)
    whole = window(GRIDS[family][1], 0, 1)
    return [prompt_to_prompt(align_refine(tokens, tokens), cross=whole, self_attention=whole)]


@FAMILIES
@pytest.mark.parametrize("proximal", [hard_threshold, soft_threshold])
def test_equal_prompts_give_the_source_branch(family, proximal):
    result = edited(family, SOURCE, proximal=proximal, rate=0.0)
    assert torch.equal(result.target, result.source[-1])


@FAMILIES
@pytest.mark.parametrize("proximal", [hard_threshold, soft_threshold])
def test_quantile_0_without_the_pull_is_negative_prompt_inversion(family, proximal):
    ours = edited(family, TARGET, quantile=0.0, rate=0.0, proximal=proximal).target
    plain = edited(family, TARGET, wrap="none").target
    assert torch.allclose(ours, plain, atol=1e-10) and not torch.allclose(plain, picture(), atol=0.1)


@FAMILIES
@pytest.mark.parametrize("proximal", [hard_threshold, soft_threshold])
def test_quantile_1_is_the_sources_own_path(family, proximal):
    result = edited(family, TARGET, quantile=1.0, rate=0.0, proximal=proximal)
    assert torch.equal(result.target, result.source[-1])
    trajectory = inverted(Mixture(GRIDS[family][0]), family)
    assert torch.equal(result.target, replay(trajectory, Mixture(GRIDS[family][0]), Cond(SOURCE)).xs[-1])


def predicted(x, **settings):
    """What ProxNPI adds to the source's prediction, over the guidance, and the whole difference."""
    trajectory = inverted(Mixture(), "ve", x)
    source, target = (Mixture()(x, SIGMA, Cond(prompt)) for prompt in (SOURCE, TARGET))
    clean = prox_npi(trajectory, **settings)(Mixture())(x, SIGMA, Cond(TARGET, SOURCE, 2.0))
    return (clean - source) / 2, target - source


def test_the_threshold_is_a_quantile_of_each_picture_beside_its_source():
    """Half of the values are the source's differences, which are nothing: 0.75 of all is 0.5 of the picture's."""
    x = torch.cat([picture(1), 3 * picture(1)])
    kept, difference = predicted(x, quantile=0.75, rate=0.0, proximal=hard_threshold)
    assert (kept != 0).double().flatten(1).mean(1).tolist() == [0.5, 0.5]
    chosen = kept != 0
    assert torch.allclose(kept[chosen], difference[chosen], atol=1e-12)
    assert difference[0][chosen[0]].abs().min() >= difference[0][~chosen[0]].abs().max()
    alone = predicted(x[1:], quantile=0.75, rate=0.0, proximal=hard_threshold)[0]
    assert torch.allclose(alone, kept[1:], atol=1e-12)


def test_the_soft_threshold_shrinks_what_it_keeps():
    soft, difference = predicted(picture(), quantile=0.75, rate=0.0)
    sizes = difference.abs().flatten(1)
    threshold = torch.cat([sizes, 0 * sizes], 1).quantile(0.75, 1).view(-1, 1, 1, 1)
    assert torch.allclose(soft, difference.sign() * (difference.abs() - threshold).clamp(min=0), atol=1e-12)


@FAMILIES
def test_the_pull_moves_what_is_not_edited_to_the_picture_below_its_level(family):
    path = GRIDS[family][0]
    trajectory, x, whole = inverted(Mixture(path), family), picture(), Cond(TARGET, SOURCE, 7.5)
    level = torch.tensor(PULL_BELOW if path is VE else PULL_BELOW / (1 + PULL_BELOW), dtype=torch.float64)
    to_zero = replace(trajectory, sigmas=trajectory.sigmas[[0, -1]], xs=(trajectory.xs[0], trajectory.xs[-1]))
    hard = {"quantile": 0.85, "proximal": hard_threshold, "widened": 0}
    free, pulled, wide = (
        prox_npi(to_zero, **hard | more)(Mixture(path))
        for more in ({"rate": 0.0}, {"rate": 1.0}, {"rate": 1.0, "widened": 1})
    )
    above, below = level * 1.01, level * 0.99
    assert torch.equal(free(x, above, whole), pulled(x, above, whole))
    moved = free(x, below, whole) != pulled(x, below, whole)
    assert float(moved.double().mean()) == pytest.approx(0.7, abs=0.01)
    assert torch.allclose(pulled(x, below, whole)[moved], trajectory.xs[-1][moved], atol=1e-12)
    spared = free(x, below, whole) == wide(x, below, whole)
    assert torch.equal(spared, torch.nn.functional.max_pool2d((~moved).double(), 3, 1, 1).bool())
    away, near = ((edited(family, SOURCE, rate=rate).target - picture()).abs().mean() for rate in (0.0, 0.1))
    assert near < 0.95 * away


def test_attention_edits_act_on_the_targets_prediction_alone():
    source = replace(AttentionNetwork(), seed=3)
    free = edited("ve", TARGET, denoiser=source, quantile=1.0, rate=0.0)
    held = edited("ve", TARGET, denoiser=source, quantile=1.0, rate=0.0, techniques=controlled("ve"))
    assert torch.equal(free.target, held.target)
    changed = [edited("ve", TARGET, denoiser=source, techniques=t).target for t in ((), controlled("ve"))]
    assert not torch.allclose(*changed, atol=1e-3)


def test_prox_npi_refuses_what_it_cannot_do():
    trajectory = inverted(Mixture(), "ve")
    for wrong in ({"quantile": 1.2}, {"rate": -0.1}):
        with pytest.raises(ValueError, match="between 0 and 1"):
            prox_npi(trajectory, **wrong)
    with pytest.raises(ValueError, match="uncond is None"):
        prox_npi(trajectory)(Mixture())(picture(), SIGMA, Cond(TARGET))
