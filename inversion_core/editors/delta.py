"""Editing by the difference of what two prompts predict."""

from collections.abc import Callable

from ..loops.delta import Rule, delta_edit
from ..loops.direct import direct
from ..loops.edit import Edited, Target
from ..methods.ddcm import ddcm
from ..methods.flow_align import flow_align
from ..methods.flow_edit import flow_edit
from ..methods.negative_prompt import negative_prompt
from ..methods.uni_edit import uni_edit
from ..trajectory import Trajectory
from ..types import Cond
from .job import Editor, Job, Plan, Settings, planned

Conds = Callable[[Job], tuple[Cond, Cond]]


def _free(
    rule: Rule, conds: Conds = lambda job: (job.source, job.target)
) -> Callable[[Job, Trajectory | None], Edited]:
    """A run without inversion: `rule` from the level at which the job's edit starts."""

    def run(job: Job, trajectory: Trajectory | None) -> Edited:
        return delta_edit(
            rule,
            job.denoiser,
            job.x0,
            job.sigmas[job.start :],
            *conds(job),
            techniques=job.techniques,
            generator=job.generator,
            on_step=job.on_step,
        )

    return run


def _from_the_source(job: Job) -> tuple[Cond, Cond]:
    return job.source.alone(), negative_prompt(job.target, job.source)


def _uni_edit(job: Job, trajectory: Trajectory) -> Plan:
    target = Target(job.target, job.techniques, wrap=lambda network: uni_edit(network, job.source))
    return Plan(job.denoiser, job.source, target, direct)


EDITORS: dict[str, Editor] = {
    "FlowEdit": Editor(
        _free(flow_edit()),
        about="follows the difference between the velocities of two coupled noisings, without inversion",
        settings={
            "ve": Settings(guidance=7.5, source_guidance=1.5, strength=0.8, steps=28),
            "rf": Settings(guidance=13.5, source_guidance=3.5, strength=33 / 50, steps=50),
            "distilled": Settings(guidance=5.5, source_guidance=1.5, strength=24 / 28, steps=28),
        },
    ),
    "FlowAlign": Editor(
        _free(flow_align(), _from_the_source),
        about="FlowEdit guided away from the source prompt, with a pull to the source",
        settings={
            "ve": Settings(guidance=7.5, source_guidance=1.0, strength=1.0, steps=33),
            "rf": Settings(guidance=13.5, source_guidance=1.0, strength=1.0, steps=33),
        },
    ),
    "DDCM": Editor(
        _free(ddcm),
        about="adds the difference between the clean predictions at every noise level, without inversion (InfEdit's sampler)",
        settings={
            "ve": Settings(guidance=2.3, source_guidance=1.0, strength=1.0, steps=12),
            "rf": Settings(guidance=2.3, source_guidance=1.0, strength=1.0, steps=12),
        },
    ),
    "Uni-Edit": planned(
        _uni_edit,
        inversion="Uni-Inv",
        promptless=True,
        about="stresses the difference between the prompts where that difference is large, along a stored path",
        settings={
            "ve": Settings(guidance=1.0, source_guidance=1.0, strength=0.6, steps=15),
            "rf": Settings(guidance=1.0, source_guidance=1.0, strength=0.6, steps=15),
            "distilled": Settings(guidance=1.0, source_guidance=1.0, strength=0.6, steps=15),
        },
    ),
}
"""Settings as in the published code: FlowEdit on SD3 and Flux, FlowAlign on SD3, InfEdit on a consistency model of SD1,
Uni-Edit on SDXL, SD3 and Flux. FlowEdit and FlowAlign on `ve` and DDCM on `rf` are the toybox's."""
