"""Edits along a trajectory by the method's name, a node a group."""

from comfy_api.latest import io

from ..kit.checks import require_painted
from ..kit.inputs import edits_input, mask_input, model_input, negative_input, source_and_target
from ..kit.outputs import outcome, outcomes
from ..kit.schema import schema, socket
from ..sockets import TrajectorySocket
from .method_inputs import choices, methods, request_of
from .run_edit import edit_along


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
                model_input(),
                socket(TrajectorySocket, "trajectory").about(
                    "Trajectory of the image, from the inversion node that belongs to the method."
                ),
                *source_and_target(),
                negative_input(),
                *choices(methods(*cls.GROUPS)),
                edits_input(),
                mask_input(),
            ],
            outputs=outcomes("Latent of the reconstruction: the source branch without edit."),
        )

    @classmethod
    def execute(
        cls, model, trajectory, source, target, negative, attention_edit=None, mask=None, **chosen
    ) -> io.NodeOutput:
        words, said = {"source": source, "target": target, "negative": negative}, []
        edited = edit_along(
            model, trajectory, words, request_of(**chosen).on, attention_edit, require_painted(mask), said.append
        )
        return outcome(edited, trajectory, said)


class InversionAnchoredEdit(AlongTrajectory):
    GROUPS, NODE_ID, DISPLAY_NAME = ("anchoring",), "InversionAnchoredEdit", "Anchored Edit"
    DESCRIPTION = (
        "Edits an image along a trajectory and keeps the source exactly on that trajectory: direct inversion and methods that refine "
        "direct inversion."
    )
    ALIASES = ("direct inversion", "pnp inversion", "directedit", "h-edit")


class InversionGuidanceEdit(AlongTrajectory):
    GROUPS, NODE_ID, DISPLAY_NAME = ("guidance",), "InversionGuidanceEdit", "Guidance Repair Edit"
    DESCRIPTION = "Edits with a changed guidance that no longer pulls the source away from the image."
    ALIASES = ("negative prompt inversion", "proxnpi", "null-text inversion")


class InversionExactEdit(AlongTrajectory):
    GROUPS, NODE_ID, DISPLAY_NAME = ("exact",), "InversionExactEdit", "Exact Edit"
    DESCRIPTION = "Edits with a scheme that runs backwards without error. Needs a trajectory from Exact Invert."
    ALIASES = ("edict", "bdia", "belm")


class InversionStochasticEdit(AlongTrajectory):
    GROUPS, NODE_ID, DISPLAY_NAME = ("stochastic", "few steps"), "InversionStochasticEdit", "Stochastic Edit"
    DESCRIPTION = "Edits with the noise maps of an edit-friendly trajectory. Needs a trajectory from Stochastic Invert."
    ALIASES = ("ddpm inversion", "ledits", "edit friendly")


class InversionFlowControlEdit(AlongTrajectory):
    GROUPS, NODE_ID, DISPLAY_NAME = ("flow control", "delta"), "InversionFlowControlEdit", "Flow Control Edit"
    DESCRIPTION = (
        "Edits while the clean prediction is pulled towards the image. Needs a trajectory from RF-Inversion Invert."
    )
    ALIASES = ("rf-inversion", "rf inversion")
