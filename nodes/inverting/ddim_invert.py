"""DDIM Invert: a latent's trajectory to noise."""

from typing import Any

from comfy_api.latest import io

from ..kit.noise import InvertedNoise
from ..kit.schema import output
from ..sockets import LatentTrajectory
from .invert_node import InvertNode


class InversionDDIMInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionDDIMInvert", "DDIM Invert"
    DESCRIPTION = (
        "Follows the model's ODE from the latent of an image up to noise and keeps every latent on the way: a trajectory that "
        "reconstructs the image and can be edited."
    )
    ALIASES = ("ddim inversion",)
    STEPS = "Steps of inversion and edit. 50 is usual."
    SCHEDULER = "ddim_uniform"
    ABOUT_SCHEDULER = (
        "How the noise levels are spaced. ddim_uniform is the spacing of the published methods; where the number of steps "
        "does not divide 1000, ddim_uniform may add a step."
    )
    ORDER = ("model", "latent", "source", "steps", "scheduler", "guidance", "method", "negative")
    NOISE_LATENT = (
        "The noisiest latent. To replay with ComfyUI's SamplerCustomAdvanced, connect this latent as latent_image, with "
        "DisableNoise, euler and the sigmas output. For rectified-flow models (SD3, Flux), use the noise output instead."
    )

    @classmethod
    def more_outputs(cls) -> list[io.Output]:
        return [
            output(io.Sigmas, "sigmas").about("The noise levels, for SamplerCustomAdvanced."),
            output(io.Noise, "noise").about(
                "The inverted noise for SamplerCustomAdvanced, with any latent of the same size as latent_image. Starts "
                "every kind of model exactly at the top of the trajectory."
            ),
        ]

    @classmethod
    def outputs_of(cls, model: Any, record: LatentTrajectory) -> tuple[Any, ...]:
        trajectory = record.trajectory
        parts = (model.get_model_object(name) for name in ("model_sampling", "latent_format"))
        return trajectory.sigmas.float(), InvertedNoise(trajectory.xs[0], float(trajectory.sigmas[0]), *parts)
