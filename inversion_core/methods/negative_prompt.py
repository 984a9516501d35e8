"""Negative-prompt inversion: null-text inversion in closed form."""

from dataclasses import replace

from ..types import Cond
from .editor import Editor, edit_along


def negative_prompt(cond: Cond, source: Cond) -> Cond:
    """`cond` with the source prompt as its unconditional prompt, so that the source branch is unguided (arXiv:2305.16807, sec. 3.2)."""
    return replace(cond, uncond=source.cond)


EDITOR = Editor(
    "negative-prompt",
    lambda job, trajectory: edit_along(
        job, trajectory, source=job.source.alone(), target=negative_prompt(job.target, job.source)
    ),
    inversion="ddim",
    solvers=None,
    uncond=True,
    about="null-text in closed form",
)
