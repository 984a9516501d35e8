"""Ways to keep the source while guidance is on."""

from dataclasses import replace

from ..loops.edit import Target
from ..methods.negative_prompt import negative_prompt
from ..methods.null_text import optimize_null_text
from ..methods.prox_npi import prox_npi
from ..methods.with_null_text import with_null_text
from ..progress import within
from ..trajectory import Trajectory
from .job import Editor, Job, Plan, Settings, plain, planned

OPTIMISING = 0.9
"""The share of a run of null-text that its optimisation takes, roughly."""


def _null_text(job: Job, trajectory: Trajectory) -> Plan:
    if job.null_text is not None:
        return replace(plain(job, trajectory), denoiser=with_null_text(job.denoiser, job.null_text))
    on_step = within(job.on_step, 0.0, OPTIMISING)
    found = optimize_null_text(trajectory, job.denoiser, job.source, on_step=on_step)
    return replace(plain(job, trajectory), denoiser=with_null_text(job.denoiser, found), spent=OPTIMISING)


def _negative_prompt(job: Job, trajectory: Trajectory) -> Plan:
    target = Target(negative_prompt(job.target, job.source), job.techniques)
    return Plan(job.denoiser, job.source.alone(), target)


def _prox_npi(job: Job, trajectory: Trajectory) -> Plan:
    plan = _negative_prompt(job, trajectory)
    return replace(plan, target=replace(plan.target, wrap=prox_npi(trajectory)))


EDITORS: dict[str, Editor] = {
    "ddim": planned(plain, solver=None, about="plain DDIM inversion; guidance loses the image"),
    "null-text": planned(_null_text, uncond=True, gradients=True, about="optimises the empty prompt; needs gradients"),
    "negative-prompt": planned(_negative_prompt, solver=None, uncond=True, about="null-text in closed form"),
    "ProxNPI": planned(
        _prox_npi,
        uncond=True,
        about="negative-prompt, applied where the prompts differ most",
        settings={"ve": Settings(7.5, 1.0, 1.0, 50), "rf": Settings(3.0, 1.0, 1.0, 50)},
    ),
}
"""ProxNPI was published on SD1; its settings on `rf` are the toybox's."""
