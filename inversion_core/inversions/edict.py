"""EDICT's inversion: two states from the picture up, both kept."""

from torch import Generator

from ..loops.integrate import finest, integrate
from ..progress import OnStep
from ..shapes import Latent, Sigmas
from ..solvers import SOLVERS, Coupled
from ..trajectory import Trajectory
from ..types import Cond, Denoiser
from .inversion import Inversion


def edict_inversion(
    denoiser: Denoiser, x0: Latent, sigmas: Sigmas, cond: Cond, generator: Generator, on_step: OnStep | None
) -> Trajectory:
    """Both states, which start as `x0`, walked up by the inverse of EDICT's step (arXiv:2211.12446).

    In float64 where the device has it; nothing is drawn at random.
    """
    x0 = finest(x0, denoiser)
    step, coupled = SOLVERS["edict"].step, Coupled(x0, len(sigmas) - 1)
    walk = integrate(step, denoiser, x0, sigmas.flip(0), cond, stage="invert", state=coupled, on_step=on_step)
    partners = tuple(state.partner.cpu() for state in (coupled, *walk.states))
    return Trajectory(denoiser.path, sigmas, walk.xs[::-1], "edict", partners=partners[::-1])


EDICT = Inversion("EDICT", edict_inversion, "two coupled latents, two evaluations per step; the steadiest exact scheme")
