"""Keys and values of the source on ComfyUI's networks: the blocks they name, and what is exact on each."""

import pytest
import torch

from harness.edits import edit
from harness.tiny_comfy import FAMILIES, Family
from latent_inversion.inversion_core.attention.image_tokens import shares
from latent_inversion.inversion_core.attention.site import AttentionEdit
from latent_inversion.inversion_core.backends.comfy.attention import blocks_of
from latent_inversion.inversion_core.backends.comfy.denoiser import run
from latent_inversion.inversion_core.backends.comfy.model import sigmas_of
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import unanchored
from latent_inversion.inversion_core.schedules import window
from latent_inversion.inversion_core.techniques.injection import inject_keys_values, inject_values
from latent_inversion.inversion_core.techniques.kv_edit import kv_edit
from latent_inversion.inversion_core.techniques.masactrl import masactrl

every = pytest.mark.parametrize(
    "family", [f for name, f in FAMILIES.items() if name != "hunyuan"], ids=lambda f: f.name
)


pytestmark = pytest.mark.usefixtures("in_a_node")


def inside(family: Family, body):
    """What `body(denoiser, trajectory, source, target)` returns, of two pictures or a video inverted in 3 steps."""
    model, prompts = family.model(), {name: family.conditioning(seed) for seed, name in enumerate(("source", "target"))}
    sigmas = sigmas_of(model, family.scheduler, 3)

    def inverted(denoiser, x, prepared):
        of = invert(INVERSIONS["ddim"], denoiser, x, sigmas, prepared("source"))
        return body(denoiser, of, prepared("source"), prepared("target"))

    return run(model, prompts, family.latent()["samples"], sigmas, inverted)


@every
def test_a_network_names_its_blocks_as_edits_meet_them(family):
    met = []

    def meet(attend, q, k, v, site):
        met.append(site.block)
        return attend(q, k, v)

    def body(denoiser, of, source, target):
        denoiser.edited(AttentionEdit("met", shares(), meet))(of.xs[-2].to(denoiser.device), of.sigmas[-2], source)
        return blocks_of(denoiser.guider.model_patcher.model.diffusion_model)

    assert inside(family, body) == list(dict.fromkeys(met))


@every
def test_the_sources_own_keys_and_values_change_nothing(family):
    def body(denoiser, of, source, target):
        active = window(of.sigmas, 0, 1)
        makers = (masactrl, inject_keys_values, inject_values)
        edits = [[make(where=lambda site: True, active=active)] for make in makers]
        return [edit(of, denoiser, source, source, anchor=unanchored, techniques=one).target for one in ([], *edits)]

    plain, *shared = inside(family, body)
    assert all(torch.equal(one, plain) for one in shared)


@every
def test_kv_edit_reconstructs_keeps_and_edits(family):
    height, width = family.shape[-2:]
    half = torch.zeros(1, 1, height, width)
    half[..., : width // 2] = 1
    masks = {"none": torch.zeros_like(half), "half": half, "all": torch.ones_like(half)}

    def body(denoiser, of, source, target):
        active = window(of.sigmas, 0, 1)
        edits = {name: [kv_edit(mask, active=active)] for name, mask in masks.items()} | {"plain": []}
        made = {n: edit(of, denoiser, source, target, anchor=direct, techniques=t).target for n, t in edits.items()}
        return made, of.xs[-1]

    made, picture = inside(family, body)
    assert torch.equal(made["none"], picture)
    assert torch.equal(made["all"], made["plain"])
    assert torch.equal(made["half"][..., width // 2 :], picture[..., width // 2 :])
    assert not torch.equal(made["half"][..., : width // 2], picture[..., : width // 2])
    assert not torch.equal(made["half"][..., : width // 2], made["plain"][..., : width // 2])
