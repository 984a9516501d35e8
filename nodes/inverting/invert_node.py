"""What the nodes that invert a LATENT have in common."""

from collections.abc import Mapping
from typing import Any

import comfy.samplers
from comfy_api.latest import io

from ...inversion_core.inversions import GROUPS, Inversion
from ...inversion_core.inversions.rf_inversion import RfInversion
from ..kit.checks import NOT_CONNECTED
from ..kit.common import method_choice, schema
from ..run.guidance import acting
from ..sockets import LatentTrajectory, TrajectorySocket
from .invert_latent import GUIDANCE, invert_latent, mistaken_guidance


class InvertNode(io.ComfyNode):
    """Inverts with a method of `METHODS`."""

    METHODS: Mapping[str, Inversion] = GROUPS["ode"]
    NODE_ID = DISPLAY_NAME = DESCRIPTION = ""
    ALIASES: tuple[str, ...] = ()
    STEPS = "Steps of inversion and edit."
    SCHEDULER, ABOUT_SCHEDULER = "normal", "How the noise levels are spaced."
    GUIDANCE = 1.0
    ABOUT_GUIDANCE = "Guidance scale during the inversion. Leave at 1: an inversion under guidance drifts."
    ORDER = ("model", "latent", "source", "method", "steps", "scheduler", "guidance", "negative")
    NOISE_LATENT = "The noisiest latent."

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = {one.id: one for one in cls.known_inputs()}
        return schema(
            node_id=cls.NODE_ID,
            display_name=cls.DISPLAY_NAME,
            category="inversion/invert",
            description=cls.DESCRIPTION,
            search_aliases=["unsampler", "noise inversion", "invert", *cls.ALIASES],
            inputs=[inputs[name] for name in cls.ORDER],
            outputs=[
                TrajectorySocket.Output(
                    "trajectory", display_name="trajectory", tooltip="Every latent from noise to image."
                ),
                io.Latent.Output("noise_latent", display_name="noise latent", tooltip=cls.NOISE_LATENT),
                *cls.more_outputs(),
            ],
        )

    @classmethod
    def known_inputs(cls) -> list[io.Input]:
        """The inputs that inversions may have; a node shows those of its `ORDER`."""
        return [
            io.Model.Input("model", tooltip="The model that inverts. Edit with the same model and LoRAs."),
            io.Latent.Input("latent", tooltip="Latent of the image, from Inversion Encode (or any VAE Encode)."),
            io.Conditioning.Input("source", tooltip="Prompt that describes the image."),
            method_choice(cls.METHODS),
            io.Int.Input("steps", default=50, min=1, max=1000, tooltip=cls.STEPS),
            io.Combo.Input(
                "scheduler",
                options=comfy.samplers.SCHEDULER_NAMES,
                default=cls.SCHEDULER,
                tooltip=cls.ABOUT_SCHEDULER,
            ),
            io.Float.Input(
                "guidance", default=cls.GUIDANCE, min=0.0, max=GUIDANCE, step=0.1, tooltip=cls.ABOUT_GUIDANCE
            ),
            io.Int.Input("seed", default=0, min=0, max=2**64 - 1, tooltip="Seed of the random noise."),
            io.Conditioning.Input(
                "negative", optional=True, tooltip="Negative prompt. Needed only if guidance is not 1."
            ),
            io.Float.Input(
                "gamma",
                default=RfInversion.gamma,
                min=0.0,
                max=1.0,
                step=0.05,
                optional=True,
                tooltip="RF-Inversion: how strongly the random noise pulls. The published value is 0.5. Lower ends nearer to the "
                "image, and the edit then changes less: 0.35 corresponds to the pipeline of diffusers.",
            ),
        ]

    @classmethod
    def more_outputs(cls) -> list[io.Output]:
        return []

    @classmethod
    def validate_inputs(cls, guidance=None, negative=NOT_CONNECTED) -> bool | str:
        return mistaken_guidance(guidance, negative is not NOT_CONNECTED) or True

    @classmethod
    def execute(
        cls, model, latent, source, steps, scheduler, guidance, method, negative=None, **drawn
    ) -> io.NodeOutput:
        record = invert_latent(model, latent, source, negative, steps, scheduler, guidance, method, **drawn)
        said = acting(model, {"source": source}, {"source": (guidance, True)})
        outputs = record, record.latent(record.trajectory.xs[0]), *cls.outputs_of(model, record)
        return io.NodeOutput(*outputs, ui={"text": said} if said else None)

    @classmethod
    def outputs_of(cls, model: Any, record: LatentTrajectory) -> tuple[Any, ...]:
        """What goes to `more_outputs`."""
        return ()
