"""DDIM Invert: a latent's trajectory to noise."""

from typing import Any

import comfy.samplers
import torch
from comfy_api.latest import io
from torch import Tensor

from ...inversion_core.backends.comfy.denoiser import identity_of, is_guidance_distilled, latent_of, sigmas_of
from ...inversion_core.inversions import INVERSIONS, invert
from ...inversion_core.inversions.rf_inversion import RfInversion
from ...inversion_core.trajectory import Provenance, check_decreasing
from ..kit.checks import NOT_CONNECTED, counted
from ..kit.common import schema
from ..kit.latents import mask_of, taken
from ..kit.noise import InvertedNoise, seeded
from ..run.control_hints import framed
from ..run.guidance import acting, recorded
from ..run.progress import reporter, run
from ..sockets import LatentTrajectory, TrajectorySocket

GUIDANCE = 30.0
METHODS = {
    "ddim": "the published rule, one evaluation per step",
    "ddim current sigma": "the ddim rule, run at the current noise level instead of the next; one evaluation per step",
    "Uni-Inv": "retraces DDIM closely, one evaluation per step",
    "fixed point": "undoes DDIM exactly, up to 21 evaluations per step",
    "heun": "second order, two evaluations per step, replayed by heun",
    "midpoint": "second order, two evaluations per step, replayed by midpoint (RF-Solver)",
    "fireflow": "midpoint at one evaluation per step",
    "dpmpp_2m": "DPM-Solver++ (2M), one evaluation per step, replayed by dpmpp_2m",
}


class InversionDDIMInvert(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionDDIMInvert",
            display_name="DDIM Invert",
            category="inversion/invert",
            description="Follows the model's ODE from the latent of an image up to noise and keeps every latent on the way: a "
            "trajectory that reconstructs the image and can be edited.",
            search_aliases=["unsampler", "ddim inversion", "noise inversion", "invert"],
            inputs=[
                io.Model.Input("model", tooltip="The model that inverts. Edit with the same model and LoRAs."),
                io.Latent.Input("latent", tooltip="Latent of the image, from Inversion Encode (or any VAE Encode)."),
                io.Conditioning.Input("source", tooltip="Prompt that describes the image."),
                io.Int.Input("steps", default=50, min=1, max=1000, tooltip="Steps of inversion and edit. 50 is usual."),
                io.Combo.Input(
                    "scheduler",
                    options=comfy.samplers.SCHEDULER_NAMES,
                    default="ddim_uniform",
                    tooltip="How the noise levels are spaced. ddim_uniform is the spacing of the published methods; where the "
                    "number of steps does not divide 1000, ddim_uniform may add a step.",
                ),
                io.Float.Input(
                    "guidance",
                    default=1.0,
                    min=0.0,
                    max=GUIDANCE,
                    step=0.1,
                    tooltip="Guidance scale during the inversion. Leave at 1: an inversion under guidance drifts.",
                ),
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    default="ddim",
                    tooltip=" ".join(f"{name}: {about}." for name, about in METHODS.items()),
                ),
                io.Conditioning.Input(
                    "negative", optional=True, tooltip="Negative prompt. Needed only if guidance is not 1."
                ),
            ],
            outputs=[
                TrajectorySocket.Output(
                    "trajectory", display_name="trajectory", tooltip="Every latent from noise to image."
                ),
                io.Latent.Output(
                    "noise_latent",
                    display_name="noise latent",
                    tooltip="The noisiest latent. To replay with ComfyUI's SamplerCustomAdvanced, connect this latent as "
                    "latent_image, with DisableNoise, euler and the sigmas output. For rectified-flow models (SD3, Flux), use the "
                    "noise output instead.",
                ),
                io.Sigmas.Output(
                    "sigmas", display_name="sigmas", tooltip="The noise levels, for SamplerCustomAdvanced."
                ),
                io.Noise.Output(
                    "noise",
                    display_name="noise",
                    tooltip="The inverted noise for SamplerCustomAdvanced, with any latent of the same size as latent_image. Starts "
                    "every kind of model exactly at the top of the trajectory.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, guidance=None, negative=NOT_CONNECTED) -> bool | str:
        return mistaken_guidance(guidance, negative is not NOT_CONNECTED) or True

    @classmethod
    def execute(cls, model, latent, source, steps, scheduler, guidance, method, negative=None) -> io.NodeOutput:
        record = invert_latent(model, latent, source, negative, steps, scheduler, guidance, method)
        trajectory, said = record.trajectory, acting(model, {"source": source}, {"source": (guidance, True)})
        parts = (model.get_model_object(name) for name in ("model_sampling", "latent_format"))
        noise = InvertedNoise(trajectory.xs[0], float(trajectory.sigmas[0]), *parts)
        outputs = record, record.latent(trajectory.xs[0]), trajectory.sigmas.float(), noise
        return io.NodeOutput(*outputs, ui={"text": said} if said else None)


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
    inversion = RfInversion(gamma) if isinstance(INVERSIONS[method], RfInversion) else INVERSIONS[method]
    frame, samples = taken(model, latent)
    sigmas = decreasing(model, scheduler, steps)
    provenance = Provenance(model=identity_of(model, source), method=method)
    prompts = {"source": source} | ({} if negative is None else {"negative": negative})

    def body(denoiser: Any, x: Tensor, prepared: Any) -> Any:
        cond = prepared("source", "negative" if guidance != 1 else None, guidance)
        options = {"provenance": provenance, "on_step": reporter(model)}
        return invert(inversion, denoiser, x, sigmas, cond, generator=seeded(seed), **options)

    trajectory = run(model, framed(prompts, frame), samples, sigmas, body)
    trajectory = recorded(model, source, guidance, trajectory)
    return LatentTrajectory(trajectory, *scale_of(model, samples), frame, mask_of(latent))


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


def scale_of(model: Any, samples: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Scale and shift of each channel from the model's latents to the VAE's."""
    samples = latent_of(model, samples)
    out = model.get_model_object("latent_format").process_out
    shape = (1, samples.shape[1], *[1] * (samples.ndim - 2))
    zero, one = (out(torch.full(shape, value)).flatten() for value in (0.0, 1.0))
    return tuple((one - zero).tolist()), tuple(zero.tolist())
