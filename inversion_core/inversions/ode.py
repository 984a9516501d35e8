"""Inversion as an ODE: the picture's latent walked up the sigma grid."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator

from ..loops.integrate import integrate, working
from ..progress import OnStep
from ..shapes import Latent, Sigma, Sigmas
from ..solvers import Undone, ddim_inverse
from ..trajectory import Trajectory
from ..types import Bound, Cond, Denoiser, State, Step


@dataclass(frozen=True)
class Ode:
    """An `Inverter`: a step that leads up to noise, and the name of the solver that leads back down.

    `precision` puts the latent on the device in the precision in which it is walked.
    """

    up: Step
    down: str
    precision: Callable[[Latent, Denoiser], Latent] = working

    def __call__(
        self, denoiser: Denoiser, x0: Latent, sigmas: Sigmas, cond: Cond, generator: Generator, on_step: OnStep | None
    ) -> Trajectory:
        """The trajectory of `x0` (arXiv:2105.05233, app. F); nothing is drawn at random."""
        x = self.precision(x0, denoiser)
        walk = integrate(self.up, denoiser, x, sigmas.flip(0), cond, stage="invert", on_step=on_step)
        undone = [state for state in reversed(walk.states) if isinstance(state, Undone)]
        residuals = tuple(state.residual for state in undone) or None
        return Trajectory(denoiser.path, sigmas, walk.xs[::-1], self.down, residuals=residuals)


def from_zero(step: Step) -> Step:
    """`step`, with the published DDIM inversion in its place where the walk leaves sigma 0 and `step` is undefined."""

    def started(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
        return (ddim_inverse if sigma == 0 else step)(denoise, x, sigma, sigma_next, state)

    return started


def from_slope(step: Step) -> Step:
    """`step` from sigma 0 on where the path has a slope there, as RF-Solver and FireFlow walk; else as `from_zero`."""
    elsewhere = from_zero(step)

    def started(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
        return (step if denoise.path.least > 0 else elsewhere)(denoise, x, sigma, sigma_next, state)

    return started
