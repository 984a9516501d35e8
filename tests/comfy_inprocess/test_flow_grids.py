"""The levels of rectified flow, by ComfyUI's names: what it gives Stable Diffusion 3 is what diffusers gives it."""

import pytest
import torch

from harness import tiny_comfy
from latent_inversion.inversion_core.backends.comfy.model import sigmas_of
from latent_inversion.inversion_core.schedules import flow_match_euler, flow_shift

GRIDS = {"normal": flow_match_euler, "simple": flow_shift}


@pytest.mark.parametrize("steps", [10, 20, 50])
@pytest.mark.parametrize("name", GRIDS)
def test_the_grids_of_stable_diffusion_3(name: str, steps: int) -> None:
    model = tiny_comfy.FAMILIES["sd3"].model()
    shift = float(model.get_model_object("model_sampling").shift)
    torch.testing.assert_close(sigmas_of(model, name, steps), GRIDS[name](steps, shift=shift), rtol=0, atol=2e-6)
