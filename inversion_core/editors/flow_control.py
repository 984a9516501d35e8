"""Editing by controlling the flow between picture and noise."""

from ..inversions.rf_inversion import STOP, controlled
from ..loops.direct import direct
from ..loops.edit import Target
from ..schedules import window
from ..trajectory import Trajectory
from .job import Editor, Job, Plan, Settings, planned


def _rf_inversion(job: Job, trajectory: Trajectory) -> Plan:
    active = window(trajectory.sigmas[job.start :], 0, STOP)
    target = Target(job.target, job.techniques, wrap=lambda network: controlled(network, job.x0, active=active))
    return Plan(job.denoiser, job.source, target, direct)


EDITORS: dict[str, Editor] = {
    "RF-Inversion": planned(
        _rf_inversion,
        inversion="RF-Inversion",
        promptless=True,
        about="goes towards a random noise and back, pulled to the image for the first quarter of the steps",
        settings={
            "ve": Settings(guidance=3.0, source_guidance=1.0, strength=1.0, steps=28),
            "rf": Settings(guidance=3.5, source_guidance=1.0, strength=1.0, steps=28),
            "distilled": Settings(guidance=3.5, source_guidance=1.0, strength=1.0, steps=28),
        },
    ),
}
"""Published on Flux alone, whose guidance is distilled (arXiv:2410.10792, published code); the others are the toybox's."""
