"""The editing methods by name: what `edit` and the figures share."""

from collections.abc import Sequence

from ..api.control import NO_CONTROL, Control, techniques
from ..inversion_core.attention.budget import Memory
from ..inversion_core.attention.technique import Technique
from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.loops.edit import Edited
from ..inversion_core.methods import EDITORS, EditJob
from ..inversion_core.methods.null_text import GUIDANCE, optimize_null_text
from ..inversion_core.progress import OnStep
from ..inversion_core.trajectory import NullText, Trajectory
from ..inversion_core.types import Cond, EditableDenoiser


def conds(studio: Studio, source: str, target: str, guidance: float, negative: str = "") -> tuple[Cond, Cond]:
    """The guided prompts of both branches, away from `negative`."""
    return studio.cond(source, guidance, negative), studio.cond(target, guidance, negative)


def run_edit(
    studio: Studio,
    trajectory: Trajectory,
    source: str,
    target: str,
    *,
    method: str = "direct",
    guidance: float = GUIDANCE,
    negative: str = "",
    control: Control = NO_CONTROL,
    denoiser: EditableDenoiser | None = None,
    null_text: NullText | None = None,
    extra: Sequence[Technique] = (),
    strength: float = 1.0,
    memory: Memory | None = None,
    on_step: OnStep | None = None,
) -> Edited:
    """Edit a trajectory with a method by name; `null_text` saves that method its optimisation. Raises UserError as `techniques`.

    Guidance leads away from `negative`. The source prompt there makes it act on the difference of the prompts alone.
    """
    job = EditJob(
        denoiser or studio.denoiser,
        trajectory.xs[-1],
        trajectory.sigmas,
        *conds(studio, source, target, guidance, negative),
        strength=strength,
        techniques=(*extra, *techniques(studio, trajectory.sigmas, source, target, control)),
        null_text=null_text,
        memory=memory,
        on_step=on_step,
    )
    return EDITORS[method].edit(job, trajectory)


def run_null_text(
    studio: Studio,
    trajectory: Trajectory,
    source: Sequence[str],
    *,
    guidance: float = GUIDANCE,
    on_step: OnStep | None = None,
) -> NullText:
    """Null-text over the trajectories of one or more pictures in a batch, each with its own prompt."""
    prompts = studio.encode_prompts(source)
    return optimize_null_text(
        trajectory, studio.denoiser, Cond(prompts, studio.encode_prompt(""), guidance), on_step=on_step
    )
