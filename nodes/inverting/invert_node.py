"""What the nodes that invert a LATENT have in common."""

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from ...inversion_core.inversions import GROUPS, Inversion
from ...inversion_core.inversions.rf_inversion import RfInversion
from ..kit.checks import NOT_CONNECTED
from ..kit.schema import method_choice, number, output, scheduler_input, schema, seed_input, socket, steps_input
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
                output(TrajectorySocket, "trajectory").about("Every latent from noise to image."),
                output(io.Latent, "noise_latent").about(cls.NOISE_LATENT),
                *cls.more_outputs(),
            ],
        )

    @classmethod
    def known_inputs(cls) -> list[io.Input]:
        """The inputs that inversions may have; a node shows those of its `ORDER`."""
        return [
            socket(io.Model, "model").about("The model that inverts. Edit with the same model and LoRAs."),
            socket(io.Latent, "latent").about("Latent of the image, from Inversion Encode (or any VAE Encode)."),
            socket(io.Conditioning, "source").about("Prompt that describes the image."),
            method_choice(cls.METHODS),
            steps_input(50).about(cls.STEPS),
            scheduler_input(cls.SCHEDULER, cls.ABOUT_SCHEDULER),
            number("guidance", cls.GUIDANCE, 0.0, GUIDANCE, step=0.1).about(cls.ABOUT_GUIDANCE),
            seed_input().about("Seed of the random noise."),
            socket(io.Conditioning, "negative", optional=True).about(
                "Negative prompt. Needed only if guidance is not 1."
            ),
            number("gamma", RfInversion.gamma, 0.0, 1.0, step=0.05, optional=True).about(
                "RF-Inversion: how strongly the random noise pulls. The published value is 0.5. Lower ends nearer to the "
                "image, and the edit then changes less: 0.35 corresponds to the pipeline of diffusers."
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
