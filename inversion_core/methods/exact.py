"""Editing with the schemes that retrace exactly what they sample, under any guidance that both ways share."""

from functools import partial

from ..loops.edit import Edited
from ..trajectory import Trajectory
from .editor import EditJob, Editor, edit_along
from .settings import Settings


def _edit_under_its_guidance(name: str, job: EditJob, trajectory: Trajectory) -> Edited:
    inverted_at, guidance = trajectory.provenance.guidance, job.source.guidance
    if inverted_at != guidance and not job.denoiser.distilled:
        raise ValueError(
            f"{name} retraces the picture only under the guidance that it was inverted with, {inverted_at:g}; the source's is "
            f"{guidance:g}. Invert at {guidance:g}, or set the source's guidance to {inverted_at:g}."
        )
    return edit_along(job, trajectory)


def _exact(name: str, solver: str, about: str, settings: Settings) -> Editor:
    """Source and target are sampled with the scheme itself, from both end states of the source's inversion under its guidance."""
    return Editor(
        name,
        partial(_edit_under_its_guidance, name),
        inversion=name,
        inversion_guidance=None,
        solvers=(solver,),
        about=about,
        settings={"ve": settings},  # as published on Stable Diffusion 1
    )


EDITORS = (
    _exact(
        "EDICT",
        "edict",
        "two coupled states, exactly invertible; two evaluations a step, no more than 50 steps",
        Settings(guidance=3.0, source_guidance=3.0, strength=0.8, steps=50),  # arXiv:2211.12446, published code
    ),
    _exact(
        "BDIA",
        "bdia",
        "DDIM steps both ways averaged, exactly invertible",
        Settings(guidance=3.0, source_guidance=3.0, strength=0.8, steps=50),  # arXiv:2307.10829, published code
    ),
    _exact(
        "O-BELM",
        "o-belm",
        "the most accurate two-step scheme, exactly invertible",
        # arXiv:2410.07273, published code: 50 of 200 steps are frozen
        Settings(guidance=2.0, source_guidance=2.0, strength=0.75, steps=200),
    ),
)
