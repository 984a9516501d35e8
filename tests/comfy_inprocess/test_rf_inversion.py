"""RF-Inversion's pull as an input of its node."""

from typing import Any

import pytest
import torch

from harness import tiny_comfy
from latent_inversion.nodes.inverting.invert_latent import invert_latent

pytestmark = pytest.mark.usefixtures("in_a_node")


def noise(**more: Any) -> torch.Tensor:
    family = tiny_comfy.FAMILIES["sd3"]
    prompt = family.conditioning(1)
    record = invert_latent(
        family.model(), family.latent(), prompt, None, 4, "simple", 1.0, "RF-Inversion", seed=3, **more
    )
    return record.trajectory.xs[0].float()


def test_the_pull_goes_from_the_models_noise_to_the_random_one() -> None:
    free, usual, published, whole = noise(gamma=0.0), noise(), noise(gamma=0.5), noise(gamma=1.0)
    drawn = torch.randn(whole.shape, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(whole, drawn, rtol=0, atol=1e-4)
    assert torch.equal(usual, published)
    near = [float((x - drawn).square().mean()) for x in (free, usual, whole)]
    assert near[0] > near[1] > near[2]
