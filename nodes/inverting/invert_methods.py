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
    ABOUT_GUIDANCE = "Guidance of the inversion itself. Leave it at 1: an inversion under guidance drifts."
    DRAWS = False
    MORE: tuple[io.Input, ...] = ()

    @classmethod
    def define_schema(cls) -> io.Schema:
        names = list(cls.METHODS)
        seed = io.Int.Input("seed", default=0, min=0, max=2**64 - 1, tooltip="Of the noise that is drawn.")
        return schema(
            node_id=cls.NODE_ID,
            display_name=cls.DISPLAY_NAME,
            category="inversion/invert",
            description=cls.DESCRIPTION,
            search_aliases=["unsampler", "noise inversion", "invert", *cls.ALIASES],
            inputs=[
                io.Model.Input("model", tooltip="The model that inverts. Edit with the same model and LoRAs."),
                io.Latent.Input("latent", tooltip="The picture, from Inversion Encode (or any VAE Encode)."),
                io.Conditioning.Input("source", tooltip="A prompt that says what the picture shows."),
                io.Combo.Input(
                    "method",
                    options=names,
                    default=names[0],
                    tooltip=" ".join(f"{name}: {about}." for name, about in cls.METHODS.items()),
                ),
                io.Int.Input("steps", default=50, min=1, max=1000, tooltip="Steps up, and later down."),
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
                    "negative", optional=True, tooltip="The negative prompt; needed only if guidance is not 1."
                ),
                *cls.MORE,
            ],
            outputs=[
                TrajectorySocket.Output(
                    "trajectory", display_name="trajectory", tooltip="Every latent from noise to picture."
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
        "Inverts by solving each step of DDIM for where it came from: at guidance 1 the picture comes back exactly where "
        "the iteration converges. The trajectory says how well it did, and Inversion Report shows it."
    )
    ALIASES = ("aidi", "renoise", "fpi")
    METHODS = {  # noqa: RUF012
        "AIDI": "Anderson-accelerated, up to 6 evaluations a step",
        "ReNoise": "averages the last two predictions, up to 11 evaluations a step; steadier in few steps",
        "fixed point": "plain iteration to the tolerance, up to 21 evaluations a step",
    }


class InversionExactInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionExactInvert", "Exact Invert"
    DESCRIPTION = (
        "Inverts with a scheme that algebra can run backwards: nothing is lost but rounding, at any guidance that "
        "inversion and edit share. Edit with Exact Edit, the same method."
    )
    ALIASES = ("edict", "bdia", "belm")
    METHODS = {  # noqa: RUF012
        "EDICT": "two coupled latents, two evaluations a step; the steadiest of the three",
        "BDIA": "looks one step back, one evaluation a step",
        "O-BELM": "looks one step back, second order, one evaluation a step",
    }


class InversionStochasticInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionStochasticInvert", "Stochastic Invert"
    DESCRIPTION = (
        "Draws a noisy picture for every level and keeps the noise maps that join them: with them the source prompt "
        "gives the picture back exactly. Edit with Stochastic Edit."
    )
    ALIASES = ("ddpm inversion", "edit friendly", "turboedit", "ledits")
    METHODS = {  # noqa: RUF012
        "edit-friendly DDPM": "for ordinary models, two evaluations a step under guidance",
        "TurboEdit": "for models distilled to 3 or 4 steps; set as many, and guidance 1",
        "LEDITS++": "the same as the first by a sampler of second order, for LEDITS++; guidance 1 and an empty source prompt",
    }
    GUIDANCE = 3.5
    ABOUT_GUIDANCE = "Guidance under the source prompt; 3.5 is the published setting."
    DRAWS = True


class InversionRFInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionRFInvert", "RF-Inversion Invert"
    DESCRIPTION = (
        "Walks towards a random noise as much as towards the one that the model finds, which makes the picture easier to "
        "change. Published with an empty source prompt. Edit with Flow Control Edit."
    )
    ALIASES = ("rf-inversion", "rf inversion", "uni-inv", "flux inversion")
    METHODS = {  # noqa: RUF012
        "RF-Inversion": "for Flow Control Edit's RF-Inversion, one evaluation a step",
        "Uni-Inv": "for Flow Control Edit's Uni-Edit, one evaluation a step; retraces Euler closely",
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
            tooltip="RF-Inversion: the pull of the random noise; 0.5 was published. Less ends nearer to the picture, whose edit "
            "then changes less: 0.35 is what diffusers' pipeline comes to.",
        ),
    )
