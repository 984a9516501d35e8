"""An edit carried out: from a request and an image to the job that the core's methods do, and its result."""

from dataclasses import replace
from typing import TYPE_CHECKING

from ..inversion_core.methods import EditJob, Editor
from ..inversion_core.quality.verdict import judge
from ..inversion_core.trajectory import Trajectory
from ..pictures.files import Mask, mask_to_tensor, paste_edit, to_tensor
from .control import techniques
from .progress import Watch, watching
from .region import find_region
from .request import EditRequest, prompts_of
from .result import EditResult

if TYPE_CHECKING:
    from .inversion import Inversion


def edited(image: "Inversion", request: EditRequest, mask: Mask | None, watch: Watch) -> EditResult:
    """The edit of an image by the request's method: along its trajectory, or one of the method's own where that is of another kind.

    Raises UserError and ValueError as the method does.
    """
    studio, settings = image.studio, request.settings_on(image.studio)
    trajectory = fitting_trajectory(request.editor, image.trajectory)
    x0, sigmas = image.x0, studio.grid(settings.steps, image.x0)
    if trajectory is not None:
        x0, sigmas = trajectory.xs[-1], trajectory.sigmas
        settings = replace(settings, steps=trajectory.steps)
        if request.editor.inversion_guidance is None:
            settings = replace(settings, source_guidance=trajectory.provenance.guidance)
    texts = image.prompt, request.target
    control = request.control(None if mask is None else mask_to_tensor(mask, studio.multiple))
    if request.find_region:
        control = replace(control, mask=find_region(studio, x0, sigmas, *texts))
    with watching(watch) as on_step:
        job = EditJob(
            studio.denoiser,
            x0,
            sigmas,
            *prompts_of(studio, texts, settings, request.negative or "", few_steps=request.few_steps),
            strength=settings.strength,
            techniques=tuple(techniques(studio, sigmas, *texts, control, request.dial)),
            seed=request.seed or 0,
            memory=request.memory,
            on_step=on_step,
        )
        done = request.editor.edit(job, trajectory)
    pixels = image.picture(done.target)
    pixels = pixels if mask is None else paste_edit(image.pixels, pixels, mask)
    back = None if request.editor.inversion is None else image.picture(done.source[-1])
    (verdict,) = judge(
        to_tensor(image.pixels),
        to_tensor(pixels),
        None if back is None else to_tensor(back),
        None if mask is None else mask_to_tensor(mask),
    )
    return EditResult(request.method, settings, texts, image.pixels, pixels, back, verdict, done.target)


def fitting_trajectory(editor: Editor, trajectory: Trajectory | None) -> Trajectory | None:
    """The trajectory, if it is of the kind along which the method edits."""
    if editor.inversion is None or trajectory is None:
        return None
    if editor.inversion != "ddim":
        return trajectory if trajectory.provenance.method == editor.inversion else None
    return trajectory if editor.solvers is None or trajectory.solver in editor.solvers else None
