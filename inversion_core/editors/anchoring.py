"""Ways to hold on to the source's own trajectory."""

from dataclasses import replace

from ..loops.direct import direct
from ..loops.edit import Target
from ..methods.direct_edit import aligned, aligned_source
from ..methods.h_edit import SOURCE_GUIDANCE, TARGET_GUIDANCE, h_edit, h_edit_source
from ..solvers import ddim_inverse
from ..trajectory import Trajectory
from .job import Editor, Job, Plan, Settings, plain, planned


def _direct(job: Job, trajectory: Trajectory) -> Plan:
    return replace(plain(job, trajectory), anchor=direct)


def _direct_edit(job: Job, trajectory: Trajectory) -> Plan:
    target = Target(job.target, job.techniques, step=aligned(trajectory, ddim_inverse))
    return Plan(job.denoiser, job.source, target, aligned_source(ddim_inverse))


def _h_edit(job: Job, trajectory: Trajectory) -> Plan:
    """The source's guidance in the editing term stays in its published proportion to the target's."""
    source_guidance = job.target.guidance * SOURCE_GUIDANCE / TARGET_GUIDANCE
    step = h_edit(trajectory, job.denoiser, job.source, source_guidance=source_guidance)
    return Plan(job.denoiser, job.source, Target(job.target, job.techniques, step=step), h_edit_source)


H_EDIT = {path: Settings(TARGET_GUIDANCE, 1.0, 1.0, 50) for path in ("ve", "rf")}

EDITORS: dict[str, Editor] = {
    "direct": planned(_direct, solver=None, about="holds the source exactly"),
    "DirectEdit": planned(
        _direct_edit,
        about="runs the target prompt where the inversion ran the source prompt",
        settings={path: Settings(2.0, 1.0, 1.0, 30) for path in ("ve", "rf")},
    ),
    "h-Edit-D": planned(
        _h_edit, uncond=True, about="follows the source, then moves towards the target", settings=H_EDIT
    ),
    "h-Edit-R": planned(
        _h_edit,
        inversion="edit-friendly DDPM",
        solver="ddpm",
        uncond=True,
        about="follows the source along noise maps, then moves towards the target; freer than h-Edit-D",
        settings=H_EDIT,
    ),
}
"""DirectEdit was published on SD3.5 and Flux, h-Edit on SD1; the other path's settings are the same, as tried on the toybox."""
