"""Ways to keep the source while guidance is on."""

from dataclasses import replace

from ..edit import Target
from ..methods import direct, negative_prompt, optimize_null_text, with_null_text
from ..trajectory import Trajectory
from .job import Editor, Job, Plan, plain, planned


def _null_text(job: Job, trajectory: Trajectory) -> Plan:
    found = job.null_text or optimize_null_text(trajectory, job.denoiser, job.source, on_step=job.on_step)
    return replace(plain(job, trajectory), denoiser=with_null_text(job.denoiser, found))


def _negative_prompt(job: Job, trajectory: Trajectory) -> Plan:
    target = Target(negative_prompt(job.target, job.source), job.techniques)
    return Plan(job.denoiser, job.source.alone(), target)


EDITORS: dict[str, Editor] = {
    "ddim": planned(plain, about="plain DDIM inversion; guidance loses the picture"),
    "null-text": planned(_null_text, uncond=True, about="optimises the empty prompt; needs gradients"),
    "negative-prompt": planned(_negative_prompt, uncond=True, about="null-text in closed form"),
    "direct": planned(
        lambda job, trajectory: replace(plain(job, trajectory), anchor=direct), about="holds the source exactly"
    ),
}
