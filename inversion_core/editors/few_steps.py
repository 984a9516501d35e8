"""Editing in few steps, with models distilled for that; others give a draft."""

from ..loops.delta import delta_edit
from ..loops.direct import direct
from ..loops.edit import Edited, Target
from ..methods.chord_edit import chord_edit
from ..methods.negative_prompt import negative_prompt
from ..trajectory import Trajectory
from .job import Editor, Job, Plan, Settings, planned


def _turbo_edit(job: Job, trajectory: Trajectory) -> Plan:
    return Plan(job.denoiser, job.source, Target(negative_prompt(job.target, job.source), job.techniques), direct)


def _chord_edit(job: Job, trajectory: Trajectory | None) -> Edited:
    grid, rule = chord_edit(job.sigmas, time=job.strength)
    return delta_edit(
        rule,
        job.denoiser,
        job.x0,
        grid,
        job.source,
        job.target,
        techniques=job.techniques,
        generator=job.generator,
        on_step=job.on_step,
    )


KINDS = ("ve", "rf", "few-step ve", "few-step rf")

EDITORS: dict[str, Editor] = {
    "TurboEdit": planned(
        _turbo_edit,
        inversion="TurboEdit",
        solver="ddpm",
        about="edit-friendly noise maps with noise one level too clean, for models of three or four steps",
        settings=dict.fromkeys(KINDS, Settings(guidance=1.5, source_guidance=1.0, strength=0.8, steps=5)),
    ),
    "ChordEdit": Editor(
        _chord_edit,
        about="one step along a chord between two noise levels, for models of one step",
        settings=dict.fromkeys(KINDS, Settings(guidance=1.0, source_guidance=1.0, strength=0.9, steps=50)),
    ),
}
"""Settings as in the published code, for SDXL-Turbo and SD-Turbo, which are on `ve`; those on `rf` are the toybox's."""
