"""Editing with the schemes that retrace exactly what they sample, under any guidance that both ways share."""

from ..trajectory import Trajectory
from .job import Editor, Job, Plan, Settings, plain, planned


def _exact(name: str, solver: str, about: str, settings: Settings) -> Editor:
    """Source and target are sampled with the scheme itself, from both end states of the source's inversion under its guidance."""

    def make(job: Job, trajectory: Trajectory) -> Plan:
        made = trajectory.provenance.guidance
        if made != job.source.guidance and not job.denoiser.distilled:
            raise ValueError(
                f"{name} retraces the image only under the guidance of its inversion, {made:g}, but source guidance is "
                f"{job.source.guidance:g}. Invert at {job.source.guidance:g}, or set source guidance to {made:g}."
            )
        return plain(job, trajectory)

    return planned(make, inversion=name, solver=solver, inversion_guidance=None, about=about, settings={"ve": settings})


EDITORS: dict[str, Editor] = {
    "EDICT": _exact(
        "EDICT",
        "edict",
        "two coupled states, exactly invertible; two evaluations per step, at most 50 steps",
        Settings(guidance=3.0, source_guidance=3.0, strength=0.8, steps=50),
    ),
    "BDIA": _exact(
        "BDIA",
        "bdia",
        "averages DDIM steps in both directions, exactly invertible",
        Settings(guidance=3.0, source_guidance=3.0, strength=0.8, steps=50),
    ),
    "O-BELM": _exact(
        "O-BELM",
        "o-belm",
        "the most accurate two-step scheme, exactly invertible",
        Settings(guidance=2.0, source_guidance=2.0, strength=0.75, steps=200),  # 50 of 200 steps are frozen
    ),
}
"""Published on Stable Diffusion 1 (arXiv:2211.12446, published code; arXiv:2307.10829, published code; arXiv:2410.07273, published code)."""
