"""The trajectory of a LATENT, inside ComfyUI's sampling."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...inversion_core.backends.comfy.identity import identity_of
from ...inversion_core.backends.comfy.model import is_guidance_distilled, latent_of, sigmas_of
from ...inversion_core.inversions import INVERSIONS, invert
from ...inversion_core.inversions.rf_inversion import RfInversion
from ...inversion_core.trajectory import Provenance, Trajectory, check_decreasing
from ..kit.checks import counted
from ..kit.latents import mask_of, taken
from ..kit.noise import seeded
from ..run.control_hints import pad_hints
from ..run.guidance import recorded
from ..run.progress import reporter, run
from ..sockets import Frame, LatentTrajectory, Scale

GUIDANCE = 30.0
"""The most guidance of an inversion."""


def mistaken_guidance(guidance: float | None, negative: bool) -> str:
    """The sentence about guidance that is out of range or lacks the negative prompt; None is a linked one, and not judged."""
    if guidance is None:
        return ""
    if not 0 <= guidance <= GUIDANCE:
        return f"Guidance is {guidance:g}, but must be a number from 0 to {GUIDANCE:g}. Enter a number in this range."
    if guidance != 1 and not negative:
        return f"Guidance {guidance:g} needs a negative prompt. Connect 'negative', or set guidance to 1."
    return ""


def invert_latent(
    model: Any,
    latent: dict[str, Any],
    source: Any,
    negative: Any,
    steps: int,
    scheduler: str,
    guidance: float,
    method: str,
    seed: int = 0,
    gamma: float = RfInversion.gamma,
) -> LatentTrajectory:
    """The trajectory of a LATENT. Raises ValueError if the grid, the latent or the prompts do not fit."""
    if said := mistaken_guidance(guidance, negative is not None or is_guidance_distilled(model)):
        raise ValueError(said)
    inversion = INVERSIONS[method]
    if isinstance(inversion.run, RfInversion):
        inversion = replace(inversion, run=RfInversion(gamma))
    provenance = Provenance(model=identity_of(model, source), method=method)
    prompts = {"source": source} | ({} if negative is None else {"negative": negative})

    def body(denoiser: Any, x: Tensor, sigmas: Tensor, prepared: Any) -> Trajectory:
        cond = prepared("source", "negative" if guidance != 1 else None, guidance)
        options = {"provenance": provenance, "on_step": reporter(model)}
        return invert(inversion, denoiser, x, sigmas, cond, generator=seeded(seed), **options)

    record = inverted(model, latent, prompts, scheduler, steps, body)
    return replace(record, trajectory=recorded(model, source, guidance, record.trajectory))


def inverted(
    model: Any,
    latent: dict[str, Any],
    prompts: dict[str, Any],
    scheduler: str,
    steps: int,
    body: Callable[[Any, Tensor, Tensor, Any], Trajectory],
) -> LatentTrajectory:
    """What `body(denoiser, x, sigmas, prompts)` makes of a LATENT, with what leads back to its picture."""
    (frame, samples), sigmas = taken(model, latent), decreasing(model, scheduler, steps)

    def on_grid(denoiser: Any, x: Tensor, prepared: Any) -> Trajectory:
        return body(denoiser, x, sigmas, prepared)

    trajectory = run(model, pad_hints(prompts, frame), samples, sigmas, on_grid)
    return LatentTrajectory(trajectory, scale_of(model, samples, frame), mask_of(latent))


def decreasing(model: Any, scheduler: str, steps: int) -> Tensor:
    """The scheduler's grid. Raises ValueError, naming the scheduler, if it does not fall at every step."""
    sigmas = sigmas_of(model, scheduler, steps)
    try:
        check_decreasing(sigmas)
    except ValueError as error:
        raise ValueError(
            f"The scheduler '{scheduler}' gives no usable noise levels for this model in {counted(steps, 'step')} ({error}). Choose "
            "another scheduler or another number of steps."
        ) from error
    return sigmas


def scale_of(model: Any, samples: Tensor, frame: Frame | None) -> Scale:
    """Scale and shift of each channel from the model's latents to the VAE's, and on to a picture of that frame."""
    samples = latent_of(model, samples)
    out = model.get_model_object("latent_format").process_out
    shape = (1, samples.shape[1], *[1] * (samples.ndim - 2))
    zero, one = (out(torch.full(shape, value)).flatten() for value in (0.0, 1.0))
    return Scale(tuple((one - zero).tolist()), tuple(zero.tolist()), frame)
