"""Ways along a trajectory of noise maps."""

from ..inversions.edit_friendly import GUIDANCE
from ..loops.direct import direct
from ..loops.edit import Target
from ..methods.ledits import Concept, ledits
from ..trajectory import Trajectory
from ..types import Cond
from .job import Editor, Job, Plan, Settings, planned


def _edit_friendly(job: Job, trajectory: Trajectory) -> Plan:
    return Plan(job.denoiser, job.source, Target(job.target, job.techniques), direct)


def _ledits(job: Job, trajectory: Trajectory) -> Plan:
    """One concept to add, the target's whole prompt, at the scale of its guidance; its words are not known here."""
    without = Cond(job.source.cond if job.source.uncond is None else job.source.uncond)
    wrap = ledits([Concept(job.target.cond, job.target.guidance)])
    return Plan(job.denoiser, job.source, Target(without, job.techniques, wrap), direct)


EDITORS: dict[str, Editor] = {
    "edit-friendly DDPM": planned(
        _edit_friendly,
        inversion="edit-friendly DDPM",
        solver="ddpm",
        inversion_guidance=GUIDANCE,
        about="samples with noise maps that hold the image",
        settings={"ve": Settings(15.0, GUIDANCE, 0.64, 100), "rf": Settings(7.5, GUIDANCE, 0.64, 50)},
    ),
    "LEDITS++": planned(
        _ledits,
        inversion="edit-friendly DDPM",
        solver=("ddpm", "sde_dpmpp_2m"),
        promptless=True,
        about="adds the concept of the target prompt where that concept acts most",
        settings={path: Settings(5.0, 1.0, 0.85, 35) for path in ("ve", "rf")},
    ),
}
"""Published on SD1 and SDXL (LEDITS++: 15 % of the levels skipped, 30 steps on the others, along the inversion "LEDITS++";
on the toybox that of DDPM comes nearer to the truth); those on `rf` are the toybox's."""
