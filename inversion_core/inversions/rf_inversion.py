"""RF-Inversion's inversion (arXiv:2410.10792): a controlled walk towards a chosen noise."""

from dataclasses import dataclass

import torch
from torch import Generator

from ..loops.integrate import integrate, working
from ..progress import OnStep
from ..shapes import Latent, Sigma, Sigmas
from ..solvers import euler
from ..trajectory import Trajectory
from ..types import Bound, Cond, Denoiser, State, Step
from .inversion import Inversion
from .ode import from_slope

GAMMA = 0.5
"""Weight of the controller of the way to noise (published code)."""


@dataclass(frozen=True)
class RfInversion:
    """An `Inverter` whose velocity is drawn to one random noise; published with the empty prompt."""

    gamma: float = GAMMA

    def __call__(
        self, denoiser: Denoiser, x0: Latent, sigmas: Sigmas, cond: Cond, generator: Generator, on_step: OnStep | None
    ) -> Trajectory:
        """The trajectory of `x0` towards a noise from `generator`, on the CPU (arXiv:2410.10792).

        One evaluation a step. Plain sampling does not retrace it: the way back is `methods.rf_inversion.controlled`. Gamma 1 ends at the noise.
        """
        noise = torch.randn(x0.shape, generator=generator).to(working(x0, denoiser))
        step = drawn_to(noise, gamma=self.gamma)
        walk = integrate(step, denoiser, x0, sigmas.flip(0), cond, stage="invert", on_step=on_step)
        return Trajectory(denoiser.path, sigmas, walk.xs[::-1], "euler")


def drawn_to(noise: Latent, *, gamma: float = GAMMA) -> Step:
    """Euler's step towards noise along `v + gamma (v(x -> noise) - v)` (arXiv:2410.10792): order 1, one evaluation.

    v(x -> noise) is the velocity of the path from x to `noise` (`NoisePath.velocity_to`). As predictions:
    `noise <- (1 - gamma) noise_predicted + gamma noise`. It starts as `from_slope`.
    """
    plain = from_slope(euler)

    def step(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
        free, state = plain(denoise, x, sigma, sigma_next, state)
        drawn = x + (sigma_next - sigma) * denoise.path.velocity_to(x, noise, sigma)
        return torch.lerp(free, drawn, gamma), state

    return step


RF_INVERSION = Inversion(
    "RF-Inversion", RfInversion(), "for RF-Inversion in Flow Control Edit, one evaluation per step", draws_noise=True
)
