"""Grids, starts and a reference for measuring solvers on the Gaussian mixture."""

import math
from functools import cache

import torch
from torch import Tensor

from harness.networks import Mixture
from latent_inversion.inversion_core.loops.integrate import integrate
from latent_inversion.inversion_core.paths import PATHS, VE, NoisePath, velocity
from latent_inversion.inversion_core.types import Bound, Cond, State, Step

PROMPT = torch.full((1, 2, 3), 0.2, dtype=torch.float64)


def level(sigma: float) -> Tensor:
    return torch.tensor(float(sigma), dtype=torch.float64)


def grid(path: NoisePath, steps: int, *, up: bool = False) -> Tensor:
    """Levels evenly spaced in log sigma, well inside the path."""
    high, low = (8.0, 0.3) if path is VE else (0.95, 0.1)
    levels = torch.linspace(math.log(high), math.log(low), steps + 1, dtype=torch.float64).exp()
    return levels.flip(0) if up else levels


def start(sigma: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return float(sigma) * torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64)


def end(step: Step, denoiser: Mixture, sigmas: Tensor, x: Tensor) -> Tensor:
    return integrate(step, denoiser, x, sigmas, Cond(PROMPT)).xs[-1]


def rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def relative(x: Tensor, truth: Tensor) -> float:
    return rms(x - truth) / rms(truth)


def runge_kutta(denoise: Bound, x: Tensor, sigma: Tensor, sigma_next: Tensor, state: State) -> tuple[Tensor, State]:
    """The classical rule of order 4."""

    def slope(y: Tensor, level: Tensor) -> Tensor:
        return velocity(y, denoise(y, level), level)

    h = sigma_next - sigma
    a = slope(x, sigma)
    b = slope(x + h / 2 * a, sigma + h / 2)
    c = slope(x + h / 2 * b, sigma + h / 2)
    d = slope(x + h * c, sigma_next)
    return x + h * (a + 2 * b + 2 * c + d) / 6, state


def order(step: Step, path: NoisePath, *, up: bool, steps: int = 32) -> float:
    """How many times halving the steps halves the error at the end of the grid."""
    x, exact = _solution(path.name, up)
    errors = [rms(end(step, Mixture(path), grid(path, n, up=up), x) - exact) for n in (steps, 2 * steps)]
    return math.log2(errors[0] / errors[1])


@cache
def _solution(path: str, up: bool) -> tuple[Tensor, Tensor]:
    x = start(1.0 if up else float(grid(PATHS[path], 1)[0]))
    return x, end(runge_kutta, Mixture(PATHS[path]), grid(PATHS[path], 160, up=up), x)
