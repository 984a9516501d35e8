"""Negative-prompt inversion: null-text inversion in closed form."""

from dataclasses import replace

from ..loops.edit import Edited, Target
from ..trajectory import Trajectory
from ..types import Cond
from .editor import EditJob, Editor, edit_along


def negative_prompt(cond: Cond, source: Cond) -> Cond:
    """`cond` with the source prompt as its unconditional prompt, so that the source branch is unguided (arXiv:2305.16807, sec. 3.2)."""
    return replace(cond, uncond=source.cond)


def _edit(job: EditJob, trajectory: Trajectory) -> Edited:
    target = Target(negative_prompt(job.target, job.source), job.techniques)
    return edit_along(job, trajectory, target, source=job.source.alone())


EDITOR = Editor(
    "negative-prompt",
    _edit,
    inversion="ddim",
    solvers=None,
    uncond=True,
    about="null-text in closed form",
)
