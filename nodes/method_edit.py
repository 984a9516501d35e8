"""Edits by the method's name: along a trajectory, or with no inversion at all."""

from typing import Any

import comfy.samplers
from comfy_api.latest import io

from ..inversion_core.editors import EDITORS, GROUPS
from ..inversion_core.metrics import drift
from .common import schema
from .editing import Request, edit_along, edit_without
from .sockets import AttentionEditSocket, TrajectorySocket

PUBLISHED, OWN = "published", "as set below"


def methods(*groups: str, free: bool = False) -> list[str]:
    """The methods of some groups that edit along a trajectory, or those that are free of one."""
    return [name for group in groups for name, editor in GROUPS[group].items() if (editor.inversion is None) == free]


def choices(names: list[str]) -> list[Any]:
    """The inputs by which every method is set."""
    about = " ".join(f"{name}: {EDITORS[name].about}." for name in names)
    return [
        io.Combo.Input("method", options=names, default=names[0], tooltip=about),
        io.Combo.Input(
            "settings",
            options=[PUBLISHED, OWN],
            default=PUBLISHED,
            tooltip="published: guidance and strength with which the method was published for this kind of model, or what "
            "is usual on it. Otherwise the three numbers below.",
        ),
        io.Float.Input("guidance", default=7.5, min=0.0, max=30.0, step=0.1, tooltip="Guidance of the target prompt."),
        io.Float.Input(
            "source_guidance", default=1.0, min=0.0, max=30.0, step=0.1, tooltip="Guidance of the source prompt."
        ),
        io.Float.Input(
            "strength",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="Share of the steps that are edited: 1 starts from pure noise, less stays closer to the picture.",
        ),
        io.Int.Input(
            "seed", default=0, min=0, max=2**63 - 1, control_after_generate=True, tooltip="For methods that draw noise."
        ),
    ]


def prompts() -> list[Any]:
    return [
        io.Conditioning.Input("source", tooltip="A prompt that says what the picture shows."),
        io.Conditioning.Input("target", tooltip="The prompt of the edited picture."),
        io.Conditioning.Input("negative", tooltip="The negative prompt, usually empty."),
    ]


class AlongTrajectory(io.ComfyNode):
    """Edits along a trajectory with a method of `GROUPS`."""

    GROUPS: tuple[str, ...] = ()
    NODE_ID = DISPLAY_NAME = DESCRIPTION = ""
    ALIASES: tuple[str, ...] = ()

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id=cls.NODE_ID,
            display_name=cls.DISPLAY_NAME,
            category="inversion/edit",
            description=cls.DESCRIPTION,
            search_aliases=list(cls.ALIASES),
            inputs=[
                io.Model.Input("model", tooltip="The model that made the trajectory, with the same LoRAs."),
                TrajectorySocket.Input(
                    "trajectory", tooltip="The picture's trajectory, of the method's own inversion."
                ),
                *prompts(),
                *choices(methods(*cls.GROUPS)),
                AttentionEditSocket.Input("attention_edit", optional=True, tooltip="From Attention Edit."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the picture may change; instead of one given to Inversion Encode.",
                ),
            ],
            outputs=[
                io.Latent.Output("edited", display_name="edited", tooltip="The edited picture, for Inversion Decode."),
                io.Latent.Output(
                    "reconstructed",
                    display_name="reconstructed",
                    tooltip="The source's own end: the picture re-created.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, model, trajectory, source, target, negative, attention_edit=None, mask=None, **chosen
    ) -> io.NodeOutput:
        words = {"source": source, "target": target, "negative": negative}
        edited = edit_along(model, trajectory, words, request_of(**chosen), attention_edit, mask)
        strayed = {"inversion_drift": drift(edited.source, trajectory.trajectory)}
        return io.NodeOutput(trajectory.latent(edited.target), trajectory.latent(edited.source[-1]) | strayed)


class InversionAnchoredEdit(AlongTrajectory):
    GROUPS, NODE_ID, DISPLAY_NAME = ("anchoring",), "InversionAnchoredEdit", "Anchored Edit"
    DESCRIPTION = "Edits along a trajectory that holds the source exactly: direct inversion and its refinements."
    ALIASES = ("direct inversion", "pnp inversion", "directedit", "h-edit")


class InversionGuidanceEdit(AlongTrajectory):
    GROUPS, NODE_ID, DISPLAY_NAME = ("guidance",), "InversionGuidanceEdit", "Guidance Repair Edit"
    DESCRIPTION = "Edits with guidance changed so that it no longer pulls the source away."
    ALIASES = ("negative prompt inversion", "proxnpi", "null-text inversion")


class InversionExactEdit(AlongTrajectory):
    GROUPS, NODE_ID, DISPLAY_NAME = ("exact",), "InversionExactEdit", "Exact Edit"
    DESCRIPTION = "Edits with a scheme that can be run backwards without error. Needs a trajectory of Exact Invert."
    ALIASES = ("edict", "bdia", "belm")


class InversionStochasticEdit(AlongTrajectory):
    GROUPS, NODE_ID, DISPLAY_NAME = ("stochastic", "few steps"), "InversionStochasticEdit", "Stochastic Edit"
    DESCRIPTION = "Edits with the noise maps of an edit-friendly trajectory, from Stochastic Invert."
    ALIASES = ("ddpm inversion", "ledits", "edit friendly")


class InversionFlowControlEdit(AlongTrajectory):
    GROUPS, NODE_ID, DISPLAY_NAME = ("flow control", "delta"), "InversionFlowControlEdit", "Flow Control Edit"
    DESCRIPTION = (
        "Edits while the clean prediction is drawn towards the picture. Needs a trajectory of RF-Inversion Invert."
    )
    ALIASES = ("rf-inversion", "rf inversion")


class InversionFreeEdit(io.ComfyNode):
    """Edits without a trajectory: what the prompts' predictions differ in is added to the picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionFreeEdit",
            display_name="Inversion-Free Edit",
            category="inversion/edit",
            description="Edits straight from the picture, with no inversion: the difference of what the two prompts predict "
            "is added to it, level by level.",
            search_aliases=["flowedit", "flow edit", "flowalign", "infedit", "ddcm", "uniedit"],
            inputs=[
                io.Model.Input(
                    "model", tooltip="Any model; the methods were published for rectified flow (SD3, Flux)."
                ),
                io.Latent.Input("latent", tooltip="The picture, from Inversion Encode (or any VAE Encode)."),
                *prompts(),
                *choices(methods("delta", "few steps", free=True)),
                io.Int.Input(
                    "steps",
                    default=28,
                    min=1,
                    max=1000,
                    tooltip="Levels of the grid; strength says how many of them act.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=comfy.samplers.SCHEDULER_NAMES,
                    default="normal",
                    tooltip="How the levels are spaced.",
                ),
            ],
            outputs=[
                io.Latent.Output("edited", display_name="edited", tooltip="The edited picture, for Inversion Decode.")
            ],
        )

    @classmethod
    def execute(cls, model, latent, source, target, negative, steps, scheduler, **chosen) -> io.NodeOutput:
        words = {"source": source, "target": target, "negative": negative}
        return io.NodeOutput(edit_without(model, latent, words, request_of(**chosen), steps, scheduler))


def request_of(
    method: str, settings: str, guidance: float, source_guidance: float, strength: float, seed: int
) -> Request:
    """What the widgets ask for."""
    own = settings == OWN
    return Request(method, seed, guidance if own else None, source_guidance if own else None, strength if own else None)
