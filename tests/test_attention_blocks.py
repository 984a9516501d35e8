"""The blocks that a diffusers network names are those in which an edit meets image tokens, in the order in which they run."""

from functools import partial

import pytest
import torch

from harness import tiny_diffusion, tiny_flow
from harness.tiny_flow import POOLED, TEXT
from latent_inversion.inversion_core.attention.image_tokens import shares
from latent_inversion.inversion_core.attention.site import AttentionEdit
from latent_inversion.inversion_core.backends.diffusers.denoiser import DiffusersDenoiser, Prompt, levels_of
from latent_inversion.inversion_core.backends.diffusers.flow import FlowDenoiser
from latent_inversion.inversion_core.types import Cond

PLAIN, PICTURE = Prompt(torch.randn(1, 7, TEXT)), (1, 4, 10, 14)
POOLS = {"pooled": torch.randn(1, POOLED)}
FLUX = {"pooled": torch.randn(1, 32), "guidance": torch.full((1, 1), 3.5)}


def unet():
    return DiffusersDenoiser(
        tiny_diffusion.tiny_unet(), levels_of(tiny_diffusion.scheduler().alphas_cumprod), "epsilon"
    )


def flow(build):
    return FlowDenoiser(build())


NETWORKS = {
    "unet": (unet, Prompt(torch.randn(1, 7, 32)), PICTURE),
    "sd3": (partial(flow, tiny_flow.tiny_sd3), Prompt(PLAIN.embedding, POOLS), PICTURE),
    "flux": (partial(flow, tiny_flow.tiny_flux), Prompt(PLAIN.embedding, FLUX), PICTURE),
    "qwen": (partial(flow, tiny_flow.tiny_qwen), PLAIN, PICTURE),
    "wan": (partial(flow, tiny_flow.tiny_wan), PLAIN, (1, 4, 3, 6, 8)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_names_its_blocks_as_edits_meet_them(name):
    build, prompt, shape = NETWORKS[name]
    denoiser, met = build(), []

    def meet(attend, q, k, v, site):
        met.append(site.block)
        return attend(q, k, v)

    denoiser.edited(AttentionEdit("met", shares(), meet))(
        torch.randn(shape), torch.tensor(0.7, dtype=torch.float64), Cond(prompt)
    )
    assert list(dict.fromkeys(met)) == list(denoiser.blocks) and len(denoiser.blocks) > 1
