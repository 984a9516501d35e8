"""The exact schemes in ComfyUI: states in float64 around a network that sees float32."""

from typing import Any

import pytest
import torch

from harness import tiny_comfy
from latent_inversion.inversion_core.backends.comfy.denoiser import run
from latent_inversion.inversion_core.backends.comfy.model import sigmas_of
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.quality.metrics import drift

pytestmark = pytest.mark.usefixtures("in_a_node")


@pytest.mark.parametrize("kind", ["unet", "flow"])
@pytest.mark.parametrize("name", ["EDICT", "BDIA", "O-BELM"])
def test_a_guided_picture_comes_back(name: str, kind: str) -> None:
    if kind == "unet":
        model, latent = tiny_comfy.tiny_sd15(kind="V_PREDICTION"), tiny_comfy.latent()
    else:
        model, latent = tiny_comfy.tiny_sd3(), tiny_comfy.latent(channels=16, batch=1)[..., :8]
    prompts = {"source": tiny_comfy.conditioning(1, pooled=True), "empty": tiny_comfy.conditioning(2, pooled=True)}
    sigmas = sigmas_of(model, "simple", 7)

    def body(denoiser: Any, x: torch.Tensor, prepared: Any) -> tuple[Any, Any]:
        cond = prepared("source", "empty", 3.0)
        trajectory = invert(INVERSIONS[name], denoiser, x, sigmas, cond)
        return trajectory, replay(trajectory, denoiser, cond).xs

    trajectory, walked = run(model, prompts, latent, sigmas, body)
    assert all(x.dtype == torch.float64 for x in (*trajectory.tensors, *walked))
    assert max(drift(walked, trajectory)) < 1e-6
