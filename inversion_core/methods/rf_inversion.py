"""RF-Inversion (arXiv:2410.10792): an edit that is drawn to the picture, from a trajectory that was drawn to a random noise."""

from dataclasses import dataclass

import torch

from ..loops.direct import direct
from ..loops.edit import Edited
from ..schedules import window
from ..shapes import Latent, Sigma
from ..trajectory import Trajectory
from ..types import Cond, EditableDenoiser, SigmaRange, Wrapper
from .editor import EditJob, Editor, edit_along
from .published import Settings

ETA = 0.9
"""Weight of the controller (published code)."""
STOP = 0.25
"""Share of the steps that are controlled (published code; 7 of 28 steps)."""


def controlled(denoiser: EditableDenoiser, x0: Latent, *, active: SigmaRange, eta: float = ETA) -> EditableDenoiser:
    """`denoiser` drawn to the picture while `active`: `D <- (1 - eta) D + eta x0` (arXiv:2410.10792).

    The same as the paper's `v + eta ((x - x0) / sigma - v)`, on both paths. Eta 1 at the last step gives `x0`.
    """
    return _Controlled(denoiser, x0, active, eta)


@dataclass(frozen=True)
class _Controlled(Wrapper):
    x0: Latent
    active: SigmaRange
    eta: float

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        clean = self.denoiser(x, sigma, cond)
        return torch.lerp(clean, self.x0.to(clean), self.eta) if float(sigma) in self.active else clean


def _edit(job: EditJob, trajectory: Trajectory) -> Edited:
    active = window(trajectory.sigmas[job.start :], 0, STOP)
    return edit_along(job, trajectory, wrap=lambda network: controlled(network, job.x0, active=active), anchor=direct)


EDITOR = Editor(
    "RF-Inversion",
    _edit,
    inversion="RF-Inversion",
    promptless=True,
    about="goes towards a random noise and back, pulled to the image for the first quarter of the steps",
    settings={
        "ve": Settings(guidance=3.0, source_guidance=1.0, strength=1.0, steps=28),  # the toybox's
        "rf": Settings(guidance=3.5, source_guidance=1.0, strength=1.0, steps=28),  # the toybox's
        "distilled": Settings(guidance=3.5, source_guidance=1.0, strength=1.0, steps=28),  # published code, on Flux
    },
)
