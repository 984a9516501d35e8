"""EDICT: two states, each moved by what the network says of the other; every part of a step can be undone."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..paths import velocity
from ..shapes import Latent, Sigma
from ..trajectory import Trajectory
from ..types import Bound, State, Step

MIXING = 0.93
"""The published weight p of a state's own value when the two are mixed (arXiv:2211.12446)."""


@dataclass(frozen=True)
class Coupled:
    """The second state, and how many steps its level lies from the noisiest: its parity says which state moves first."""

    partner: Latent
    steps_down: int


def edict(*, mixing: float = MIXING) -> Step:
    """EDICT's coupled step, exact both ways: order 1, two evaluations (arXiv:2211.12446).

    With h the step and v told the noisier of its two levels, one towards the image is

        x' = x + h v(y);  y' = y + h v(x')    (in odd steps y moves first)
        x'' = p x' + (1 - p) y';  y'' = p y' + (1 - p) x''

    and one towards noise is its inverse, which magnifies what tells the states apart by up to p^-2 in every step: invert
    in no more than the 50 steps of the paper, and on rectified flow in half as many. Both states start alike if the
    state is None. Raises ValueError unless 0 < mixing <= 1.
    """
    if not 0 < mixing <= 1:
        raise ValueError(f"EDICT's mixing weight lies above 0 and up to 1; got {mixing}.")

    def step(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
        pair = state or Coupled(x, 0)
        y = pair.partner.to(x)
        if sigma_next < sigma:
            first = pair.steps_down % 2
            x, y = _moved(denoise, [x, y], sigma, sigma_next, (first, 1 - first))
            x = mixing * x + (1 - mixing) * y
            return x, Coupled(mixing * y + (1 - mixing) * x, pair.steps_down + 1)
        y = (y - (1 - mixing) * x) / mixing
        x = (x - (1 - mixing) * y) / mixing
        last = (pair.steps_down - 1) % 2
        x, y = _moved(denoise, [x, y], sigma, sigma_next, (1 - last, last))
        return x, Coupled(y, pair.steps_down - 1)

    return step


def partner_at(trajectory: Trajectory, start: int) -> State:
    """The opening: the second state at level `start`. Raises ValueError if the trajectory has none."""
    if trajectory.partners is None:
        raise ValueError(
            "An EDICT trajectory has two states a level; this one has lost its partners. Invert the image again."
        )
    return Coupled(trajectory.partners[start], start)


def _moved(denoise: Bound, states: list[Latent], sigma: Sigma, sigma_next: Sigma, order: Sequence[int]) -> list[Latent]:
    """Both states moved from `sigma` to `sigma_next` in `order`, each along the slope at the other, wherever that is by then.

    The network is told the noisier level, and sees a state at the cleaner one in the scale that it has there.
    """
    told, levels = torch.maximum(sigma, sigma_next), [sigma, sigma]
    for one in order:
        seen = denoise.path.same_input(states[1 - one], levels[1 - one], told)
        slope = velocity(seen, denoise(seen, told), told)
        states[one], levels[one] = states[one] + (sigma_next - sigma) * slope, sigma_next
    return states
