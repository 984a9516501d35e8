"""Plug-and-Play: the published tensor is reached, own features change nothing, the picture's do, and no hook stays."""

import pytest
import torch

from harness import tiny_diffusion
from harness.edits import edit
from harness.networks import AttentionNetwork
from harness.prompts import normal
from latent_inversion.inversion_core.attention.bank import Bank
from latent_inversion.inversion_core.attention.site import AttentionEdit, UnmatchedEdit
from latent_inversion.inversion_core.backends.diffusers.denoiser import DiffusersDenoiser, Prompt, levels_of
from latent_inversion.inversion_core.backends.diffusers.features import decoder_layers, layer_of
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import unanchored
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.schedules import leading, window
from latent_inversion.inversion_core.techniques.plug_and_play import plug_and_play
from latent_inversion.inversion_core.types import Cond

LAYER = 3
TABLE = levels_of(tiny_diffusion.scheduler().alphas_cumprod)
SIGMAS = leading(TABLE, 4)
WHOLE, NEVER = window(SIGMAS, 0, 1), window(SIGMAS, 0, 0)


SOURCE, TARGET, EMPTY = (Prompt(normal(1, 7, 32, seed=seed)) for seed in (1, 2, 3))


@pytest.fixture(scope="module")
def denoiser():
    return DiffusersDenoiser(tiny_diffusion.tiny_unet(), TABLE, "epsilon")


@pytest.fixture(scope="module")
def trajectory(denoiser):
    return invert(INVERSIONS["ddim"], denoiser, normal(2, 4, 16, 16, seed=0), SIGMAS, Cond(SOURCE))


def edited(trajectory, denoiser, *techniques, guidance=5.0):
    target = Cond(TARGET, EMPTY, guidance)
    return edit(
        trajectory, denoiser, Cond(SOURCE, EMPTY, guidance), target, anchor=direct, techniques=techniques
    ).target


def everywhere(apply, where=lambda site: site.kind == "feature"):
    return AttentionEdit("all features", where, apply, features=True)


def same(attend, q, k, v, site):
    return attend(q, k, v)


@pytest.mark.parametrize("guidance", [1.0, 7.5])
def test_an_edit_that_gives_features_back_is_bit_identical_to_none(denoiser, guidance):
    x, cond = normal(2, 4, 12, 16, seed=4), Cond(SOURCE, EMPTY, guidance)
    plain = denoiser(x, SIGMAS[1], cond)
    assert torch.equal(denoiser.edited(everywhere(same))(x, SIGMAS[1], cond), plain)


def test_outside_its_windows_it_is_bit_identical_to_none(denoiser, trajectory):
    techniques = plug_and_play(features=NEVER, attention=NEVER, layer=LAYER)
    assert torch.equal(edited(trajectory, denoiser, *techniques), edited(trajectory, denoiser))


def test_own_features_and_maps_are_bit_identical_to_none(denoiser, trajectory):
    techniques = plug_and_play(features=WHOLE, attention=WHOLE, layer=LAYER)
    out = edit(trajectory, denoiser, Cond(SOURCE), Cond(SOURCE), anchor=unanchored, techniques=techniques)
    assert torch.equal(out.target, replay(trajectory, denoiser, Cond(SOURCE)).xs[-1])


def test_features_and_maps_each_change_the_edit(denoiser, trajectory):
    kept = [
        edited(trajectory, denoiser, *plug_and_play(features=f, attention=a, layer=LAYER))
        for f, a in ((NEVER, NEVER), (WHOLE, NEVER), (NEVER, WHOLE), (WHOLE, WHOLE))
    ]
    apart = [(one - other).abs().max() for number, one in enumerate(kept) for other in kept[:number]]
    assert min(apart) > 1e-3


def test_both_branches_of_guidance_take_the_sources_conditional_ones(denoiser, trajectory):
    bank, seen = Bank(), {}
    features, _ = plug_and_play(features=WHOLE, attention=NEVER, layer=LAYER)
    denoiser.edited(features.record(bank))(trajectory.xs[0], SIGMAS[0], Cond(SOURCE))

    def watch(attend, q, k, v, site):
        seen[site.branch] = v
        return v

    below = everywhere(watch, lambda site: site.kind == "feature" and site.layer == LAYER)
    denoiser.edited(features.inject(bank), below)(trajectory.xs[1], SIGMAS[0], Cond(TARGET, EMPTY, 3.0))
    ((recorded,),) = bank.named("features")
    assert set(seen) == {"cond", "uncond"} and all(torch.equal(v, recorded) for v in seen.values())


def test_the_feature_is_what_the_block_adds_to_its_shortcut(denoiser):
    block, met = denoiser.network.up_blocks[1].resnets[1], {}
    before = block.register_forward_hook(lambda module, args, out: met.update(rest=args[0], out=out))
    try:
        nothing = everywhere(lambda attend, q, k, v, site: 0 * v, lambda site: site.block == "up_blocks.1.resnets.1")
        denoiser.edited(nothing)(normal(1, 4, 16, 16, seed=1), SIGMAS[0], Cond(SOURCE))
    finally:
        before.remove()
    with torch.no_grad():
        assert torch.equal(met["out"], block.conv_shortcut(met["rest"]) / block.output_scale_factor)


@pytest.mark.parametrize("fails", [False, True])
def test_no_hook_stays(denoiser, fails):
    def apply(attend, q, k, v, site):
        if fails:
            raise RuntimeError("on purpose")
        return v

    def hooks():
        return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in denoiser.network.modules())

    before, error = hooks(), None
    try:
        denoiser.edited(everywhere(apply))(normal(1, 4, 16, 16, seed=1), SIGMAS[0], Cond(SOURCE))
    except RuntimeError as raised:
        error = str(raised)
    assert hooks() == before and error == ("on purpose" if fails else None)


def test_blocks_are_hooked_only_where_features_are_asked_for(denoiser):
    block, seen = denoiser.network.up_blocks[0].resnets[0].conv2, []
    for features in (False, True):
        look = AttentionEdit("look", lambda site: site.kind != "cross", same, features)
        denoiser.edited(
            look, AttentionEdit("count", lambda site: True, lambda attend, *qkv: _count(block, seen, *qkv))
        )(normal(1, 4, 16, 16, seed=1), SIGMAS[0], Cond(SOURCE))
    assert seen[0] == 0 and seen[-1] == 1


def _count(block, seen, q, k, v, site):
    assert site.kind != "feature", "an edit that asks for no features was given one"
    seen.append(len(block._forward_hooks))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v)


def test_layers_are_numbered_from_the_coarsest_on(denoiser):
    layers = decoder_layers(denoiser.network)
    assert list(layers.items())[3] == ("up_blocks.1.resnets.1", 3) and len(layers) == 6
    assert layer_of("unet.up_blocks.1.attentions.1.transformer_blocks.0.attn1", {"unet.up_blocks.1.resnets.1": 4}) == 4
    assert layer_of("down_blocks.1.attentions.0.transformer_blocks.0.attn1", layers) is None


def test_a_layer_or_a_decoder_that_is_not_there_is_named(denoiser, trajectory):
    beyond = plug_and_play(features=WHOLE, attention=NEVER, layer=9)
    with pytest.raises(UnmatchedEdit, match=r"plug-and-play, features.*feature up_blocks\.2\.resnets\.1 16x16"):
        edited(trajectory, denoiser, *beyond)
    flat = invert(
        INVERSIONS["ddim"], AttentionNetwork(), normal(1, 4, 8, 8, seed=0), SIGMAS, Cond(normal(1, 7, 6, seed=1))
    )
    words = Cond(normal(1, 7, 6, seed=1))
    with pytest.raises(UnmatchedEdit, match="plug-and-play, features"):
        edit(flat, AttentionNetwork(), words, words, techniques=plug_and_play(features=WHOLE, attention=WHOLE))
