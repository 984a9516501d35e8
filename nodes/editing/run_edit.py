"""An edit inside ComfyUI's sampling: what every node that edits hands over, and how it is run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ...inversion_core.dial import AS_SET, Turned
from ...inversion_core.loops.edit import Edited
from ...inversion_core.methods import EditJob, Editor, WrongInversion
from ...inversion_core.trajectory import NullText, Trajectory
from ...inversion_core.types import Cond
from ..attention.attention_edits import Plans
from ..attention.bank_memory import Tell, memory_of, unheard
from ..inverting.invert_latent import decreasing, scale_of
from ..inverting.invert_methods import InversionExactInvert, InversionRFInvert, InversionStochasticInvert
from ..kit.common import check_model
from ..kit.latents import taken
from ..kit.remarks import of_result
from ..run.along import along
from ..run.control_hints import pad_hints
from ..run.progress import reporter, run
from ..sockets import LatentTrajectory


@dataclass(frozen=True)
class Chosen:
    """What a node's widgets choose, as it acts on a model: who edits, and the guidance of each prompt.

    With each guidance stands whether what the prompt brings goes before it. Guidance leads away from the prompt `away`; where
    it is 1, prompts are shown `alone` if that is said. `dial` turns the windows of attention edits, and `lines` are what the
    node says.
    """

    editor: Editor
    guidance: Mapping[str, tuple[float, bool]]
    away: str = "negative"
    alone: bool = False
    strength: float = 1.0
    seed: int = 0
    null_text: NullText | None = None
    dial: Turned = AS_SET
    lines: Sequence[str] = ()

    def conds(self, prepared: Any) -> list[Cond]:
        """Source and target under their guidance."""
        options = {"away": self.away, "alone": self.alone}
        return [cond_of(prepared, name, *self.guidance[name], **options) for name in ("source", "target")]

    def run(self, job: EditJob, trajectory: Trajectory | None = None) -> Edited:
        """The job done as it was chosen. Raises ValueError that names the node for the method's inversion, and as the method."""
        job = replace(job, strength=self.strength, seed=self.seed, null_text=self.null_text)
        try:
            return self.editor.edit(job, trajectory)
        except WrongInversion as error:
            raise ValueError(f"{error} Use {inverting(error.inversion)} for that.") from error


def edit_along(
    model: Any,
    record: LatentTrajectory,
    prompts: dict[str, Any],
    choose: Callable[[Any, Mapping[str, Any], int, Trajectory], Chosen],
    plans: Plans | None = None,
    mask: Tensor | None = None,
    tell: Tell = unheard,
) -> Edited:
    """The edit along a trajectory; `tell` hears its settings, and what memory its attention takes.

    Raises ValueError if model, trajectory, settings or masks do not fit each other, BankTooLarge as `Edit.run`.
    """
    check_model(record, model, prompts["source"])
    plans, trajectory = plans or Plans(), record.trajectory
    chosen = choose(model, prompts, trajectory.steps, trajectory)
    techniques, memory = plans.ready(model, record, mask, chosen.dial), memory_of(plans, tell)
    for line in (*chosen.lines, *plans.idle(record, chosen.dial)):
        tell(line)

    def body(denoiser: Any, prepared: Any) -> Edited:
        job = EditJob(
            denoiser,
            trajectory.xs[-1],
            trajectory.sigmas,
            *chosen.conds(prepared),
            techniques=tuple(techniques(prepared)),
            memory=memory,
            on_step=reporter(model),
        )
        return chosen.run(job, trajectory)

    return along(record, model, prompts | plans.prompts, body, gradients=chosen.editor.gradients)


def edit_without(
    model: Any,
    latent: dict[str, Any],
    prompts: dict[str, Any],
    choose: Callable[[Any, Mapping[str, Any], int], Chosen],
    steps: int,
    scheduler: str,
    tell: Tell = unheard,
) -> dict[str, Any]:
    """The LATENT of an edit that needs no inversion. Raises ValueError if the model, the grid or the method does not fit."""
    (frame, samples), sigmas = taken(model, latent), decreasing(model, scheduler, steps)
    chosen = choose(model, prompts, len(sigmas) - 1)

    def body(denoiser: Any, x: Tensor, prepared: Any) -> Edited:
        return chosen.run(EditJob(denoiser, x, sigmas, *chosen.conds(prepared), on_step=reporter(model)))

    edited = run(model, pad_hints(prompts, frame), samples, sigmas, body, gradients=chosen.editor.gradients)
    for line in (*chosen.lines, *of_result(edited.target, edited.source[-1])):
        tell(line)
    return scale_of(model, samples, frame).latent(edited.target)


def cond_of(
    prepared: Any, name: str, guidance: float, own: bool = False, *, away: str = "negative", alone: bool = False
) -> Cond:
    """The prompt under guidance, which goes before what the prompt brings unless `own`; unguided without the prompt `away` if `alone`."""
    cond = prepared(name, away, guidance, own)
    return cond.alone() if alone and not cond.guided else cond


def inverting(inversion: str) -> str:
    """The node that inverts by a method of that name."""
    others = (InversionExactInvert, InversionStochasticInvert, InversionRFInvert)
    return next((node.DISPLAY_NAME for node in others if inversion in node.METHODS), "DDIM Invert")
