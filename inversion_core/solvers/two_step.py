"""What BDIA and O-BELM have in common: the next latent follows from two neighbouring ones, either way."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..paths import NoisePath, velocity
from ..shapes import Latent, Sigma
from ..trajectory import Trajectory
from ..types import Bound, State, Step
from .ddim_inverse import ddim_inverse
from .euler import euler


@dataclass(frozen=True)
class Neighbour:
    """The latent before, and its level."""

    x: Latent
    sigma: Sigma


@dataclass(frozen=True)
class Given:
    """Where the first step leads, known beforehand."""

    x: Latent


@runtime_checkable
class TwoStepRule(Protocol):
    """The latent at `sigma_next`, from that at `sigma`, the slope there, and the latent before."""

    def __call__(
        self, path: NoisePath, x: Latent, slope: Latent, sigma: Sigma, sigma_next: Sigma, before: Neighbour
    ) -> Latent: ...


def two_step(rule: TwoStepRule) -> Step:
    """A step by `rule`, one evaluation. A walk without a neighbour starts with DDIM, or with the published inversion of it.

    If the first step is given, the network is asked all the same, for those who record its attention.
    """

    def step(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
        before = Neighbour(x, sigma)
        if state is None:
            first = euler if sigma_next < sigma else ddim_inverse
            return first(denoise, x, sigma, sigma_next, None)[0], before
        slope = velocity(x, denoise(x, sigma), sigma)
        if isinstance(state, Given):
            return state.x.to(x), before
        neighbour = Neighbour(state.x.to(x), state.sigma)
        return rule(denoise.path, x, slope, sigma, sigma_next, neighbour), before

    return step


def neighbour_at(trajectory: Trajectory, start: int) -> State:
    """The opening: the noisier neighbour; at the noisiest level, which has none, the next latent is given, as published (github.com/zituitui/BELM)."""
    if start == 0:
        return Given(trajectory.xs[1])
    return Neighbour(trajectory.xs[start - 1], trajectory.sigmas[start - 1])
