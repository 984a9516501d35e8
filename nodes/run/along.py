"""Work along a trajectory, inside ComfyUI's sampling."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import Tensor

from ...inversion_core.backends.comfy.denoiser import ComfyDenoiser, Prompts
from ..sockets import LatentTrajectory
from .control_hints import pad_hints
from .progress import run

T = TypeVar("T")


def along(
    record: LatentTrajectory,
    model: Any,
    prompts: Mapping[str, Any],
    body: Callable[[ComfyDenoiser, Prompts], T],
    *,
    gradients: bool = False,
    seed: int = 0,
) -> T:
    """What `body(denoiser, prompts)` gives, run on the trajectory's levels beside its picture, hints laid on it."""

    def beside(denoiser: ComfyDenoiser, x: Tensor, prepared: Prompts) -> T:
        return body(denoiser, prepared)

    trajectory, hinted = record.trajectory, pad_hints(prompts, record.frame)
    picture = record.scale.samples(trajectory.xs[-1])
    return run(model, hinted, picture, trajectory.sigmas, beside, gradients=gradients, seed=seed)
