"""Inversions beside DDIM's, a node a group."""

import comfy.samplers
from comfy_api.latest import io

from ...inversion_core.inversions.rf_inversion import GAMMA
from ..kit.checks import NOT_CONNECTED
from ..kit.common import schema
from ..run.guidance import acting
from ..sockets import TrajectorySocket
from .ddim_invert import GUIDANCE, invert_latent, mistaken_guidance


class InvertNode(io.ComfyNode):
    """Inverts with a method of `METHODS`: by name, what it is good for and what it costs."""

    METHODS: dict[str, str] = {}  # noqa: RUF012
    NODE_ID = DISPLAY_NAME = DESCRIPTION = ""
    ALIASES: tuple[str, ...] = ()
    GUIDANCE = 1.0
    ABOUT_GUIDANCE = "Guidance scale during the inversion. Leave at 1: an inversion under guidance drifts."
    DRAWS = False
    MORE: tuple[io.Input, ...] = ()

    @classmethod
    def define_schema(cls) -> io.Schema:
        names = list(cls.METHODS)
        seed = io.Int.Input("seed", default=0, min=0, max=2**64 - 1, tooltip="Seed of the random noise.")
        return schema(
            node_id=cls.NODE_ID,
            display_name=cls.DISPLAY_NAME,
            category="inversion/invert",
            description=cls.DESCRIPTION,
            search_aliases=["unsampler", "noise inversion", "invert", *cls.ALIASES],
            inputs=[
                io.Model.Input("model", tooltip="The model that inverts. Edit with the same model and LoRAs."),
                io.Latent.Input("latent", tooltip="Latent of the image, from Inversion Encode (or any VAE Encode)."),
                io.Conditioning.Input("source", tooltip="Prompt that describes the image."),
                io.Combo.Input(
                    "method",
                    options=names,
                    default=names[0],
                    tooltip=" ".join(f"{name}: {about}." for name, about in cls.METHODS.items()),
                ),
                io.Int.Input("steps", default=50, min=1, max=1000, tooltip="Steps of inversion and edit."),
                io.Combo.Input(
                    "scheduler",
                    options=comfy.samplers.SCHEDULER_NAMES,
                    default="normal",
                    tooltip="How the noise levels are spaced.",
                ),
                io.Float.Input(
                    "guidance", default=cls.GUIDANCE, min=0.0, max=GUIDANCE, step=0.1, tooltip=cls.ABOUT_GUIDANCE
                ),
                *([seed] if cls.DRAWS else []),
                io.Conditioning.Input(
                    "negative", optional=True, tooltip="Negative prompt. Needed only if guidance is not 1."
                ),
                *cls.MORE,
            ],
            outputs=[
                TrajectorySocket.Output(
                    "trajectory", display_name="trajectory", tooltip="Every latent from noise to image."
                ),
                io.Latent.Output("noise_latent", display_name="noise latent", tooltip="The noisiest latent."),
            ],
        )

    @classmethod
    def validate_inputs(cls, guidance=None, negative=NOT_CONNECTED) -> bool | str:
        return mistaken_guidance(guidance, negative is not NOT_CONNECTED) or True

    @classmethod
    def execute(
        cls, model, latent, source, method, steps, scheduler, guidance, seed=0, negative=None, **more
    ) -> io.NodeOutput:
        record = invert_latent(model, latent, source, negative, steps, scheduler, guidance, method, seed, **more)
        said = acting(model, {"source": source}, {"source": (guidance, True)})
        return io.NodeOutput(record, record.latent(record.trajectory.xs[0]), ui={"text": said} if said else None)


class InversionFixedPointInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionFixedPointInvert", "Fixed-Point Invert"
    DESCRIPTION = (
        "Inverts by solving each DDIM step for its starting point: at guidance 1, the image comes back exactly where the iteration "
        "converges. The trajectory records how well the iteration converged, and Inversion Report shows the result."
    )
    ALIASES = ("aidi", "renoise", "fpi")
    METHODS = {  # noqa: RUF012
        "AIDI": "Anderson-accelerated, up to 6 evaluations per step",
        "ReNoise": "averages the last two predictions, up to 11 evaluations per step; steadier in few steps",
        "fixed point": "plain iteration to the tolerance, up to 21 evaluations per step",
    }


class InversionExactInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionExactInvert", "Exact Invert"
    DESCRIPTION = (
        "Inverts with a scheme that algebra runs backwards: only rounding is lost, at any guidance that inversion and edit share. "
        "Edit with Exact Edit and the method used here."
    )
    ALIASES = ("edict", "bdia", "belm")
    METHODS = {  # noqa: RUF012
        "EDICT": "two coupled latents, two evaluations per step; the steadiest of the three",
        "BDIA": "looks one step back, one evaluation per step",
        "O-BELM": "looks one step back, second order, one evaluation per step",
    }


class InversionStochasticInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionStochasticInvert", "Stochastic Invert"
    DESCRIPTION = (
        "Draws a noisy image for every noise level and keeps the noise maps that join them: with these maps, the source prompt "
        "reconstructs the image exactly. Edit with Stochastic Edit."
    )
    ALIASES = ("ddpm inversion", "edit friendly", "turboedit", "ledits")
    METHODS = {  # noqa: RUF012
        "edit-friendly DDPM": "for ordinary models, two evaluations per step under guidance",
        "TurboEdit": "for models distilled to 3 or 4 steps; set as many steps, and guidance 1",
        "LEDITS++": "edit-friendly noise maps with a second-order sampler, for the edit method LEDITS++; set guidance 1 and an empty source "
        "prompt",
    }
    GUIDANCE = 3.5
    ABOUT_GUIDANCE = "Guidance scale of the source prompt. The published value is 3.5."
    DRAWS = True


class InversionRFInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionRFInvert", "RF-Inversion Invert"
    DESCRIPTION = (
        "Inverts towards a random noise as much as towards the noise that the model finds, which makes the image easier to change. "
        "Published with an empty source prompt. Edit with Flow Control Edit."
    )
    ALIASES = ("rf-inversion", "rf inversion", "uni-inv", "flux inversion")
    METHODS = {  # noqa: RUF012
        "RF-Inversion": "for RF-Inversion in Flow Control Edit, one evaluation per step",
        "Uni-Inv": "for Uni-Edit in Flow Control Edit, one evaluation per step; retraces Euler closely",
    }
    DRAWS = True
    MORE = (
        io.Float.Input(
            "gamma",
            default=GAMMA,
            min=0.0,
            max=1.0,
            step=0.05,
            optional=True,
            tooltip="RF-Inversion: how strongly the random noise pulls. The published value is 0.5. Lower ends nearer to the image, "
            "and the edit then changes less: 0.35 corresponds to the pipeline of diffusers.",
        ),
    )
