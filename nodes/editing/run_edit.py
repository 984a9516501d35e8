"""An edit inside ComfyUI's sampling: what every node that edits hands over, and how it is run."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from ...inversion_core.dial import Turned
from ...inversion_core.loops.edit import Edited
from ...inversion_core.methods import EditJob
from ...inversion_core.trajectory import Trajectory
from ...inversion_core.types import Cond
from ..attention.attention_edits import Plans
from ..attention.bank_memory import Tell, memory_of, unheard
from ..inverting.invert_latent import decreasing, scale_of
from ..kit.common import check_model
from ..kit.latents import taken
from ..kit.remarks import of_result
from ..run.along import along
from ..run.control_hints import pad_hints
from ..run.progress import reporter, run
from ..sockets import LatentTrajectory
from .method_inputs import Request


class Asked(Protocol):
    """What a node's widgets ask for."""

    @property
    def dial(self) -> Turned:
        """How the windows of attention edits are turned."""

    @property
    def gradients(self) -> bool:
        """Whether the network is differentiated."""

    def fitted(
        self, model: Any, prompts: Mapping[str, Any], steps: int, trajectory: Trajectory
    ) -> tuple["Asked", list[str]]:
        """The same as it acts on the model, and what the node says of it. Raises ValueError if it does not fit."""

    def conds(self, prepared: Any) -> Sequence[Cond]:
        """Source and target under their guidance."""

    def edit(self, job: EditJob, trajectory: Trajectory) -> Edited:
        """The job done along the trajectory."""


def edit_along(
    model: Any,
    record: LatentTrajectory,
    prompts: dict[str, Any],
    asked: Asked,
    plans: Plans | None = None,
    mask: Tensor | None = None,
    tell: Tell = unheard,
) -> Edited:
    """The edit along a trajectory; `tell` hears its settings, and what memory its attention takes.

    Raises ValueError if model, trajectory, settings or masks do not fit each other, BankTooLarge as `Edit.run`.
    """
    check_model(record, model, prompts["source"])
    plans, trajectory = plans or Plans(), record.trajectory
    asked, lines = asked.fitted(model, prompts, trajectory.steps, trajectory)
    techniques = plans.ready(model, record, mask, asked.dial)
    for line in (*lines, *plans.idle(record, asked.dial)):
        tell(line)

    def body(denoiser: Any, prepared: Any) -> Edited:
        job = EditJob(
            denoiser,
            trajectory.xs[-1],
            trajectory.sigmas,
            *asked.conds(prepared),
            techniques=tuple(techniques(prepared)),
            memory=memory_of(plans, tell),
            on_step=reporter(model),
        )
        return asked.edit(job, trajectory)

    return along(record, model, prompts | plans.prompts, body, gradients=asked.gradients)


def edit_without(
    model: Any,
    latent: dict[str, Any],
    prompts: dict[str, Any],
    request: Request,
    steps: int,
    scheduler: str,
    tell: Tell = unheard,
) -> dict[str, Any]:
    """The LATENT of an edit that needs no inversion. Raises ValueError if the model, the grid or the method does not fit."""
    (frame, samples), sigmas = taken(model, latent), decreasing(model, scheduler, steps)
    request, lines = request.fitted(model, prompts, len(sigmas) - 1)

    def body(denoiser: Any, x: Tensor, prepared: Any) -> Edited:
        job = EditJob(denoiser, x, sigmas, *request.conds(prepared), on_step=reporter(model))
        return request.edit(job, None)

    edited = run(model, pad_hints(prompts, frame), samples, sigmas, body, gradients=request.gradients)
    for line in (*lines, *of_result(edited.target, edited.source[-1])):
        tell(line)
    return scale_of(model, samples, frame).latent(edited.target)
