"""The only ODE loop of the library, and the replay of a trajectory with it."""

from dataclasses import dataclass, field
from functools import cache

import torch

from ..progress import OnStep, Progress
from ..shapes import Latent, Sigma, Sigmas
from ..solvers import SOLVERS
from ..trajectory import Trajectory
from ..types import Bound, Cond, Denoiser, State, Step, Wrapper


@dataclass(frozen=True)
class Walk:
    """The latents at every level of a grid, in the order walked and on the CPU, and what each step left as its state."""

    xs: tuple[Latent, ...]
    states: tuple[State, ...]


def integrate(
    step: Step,
    denoiser: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    cond: Cond,
    *,
    stage: str = "sample",
    state: State = None,
    on_step: OnStep | None = None,
) -> Walk:
    """Walk `x` along `sigmas` in their order: towards the image if they fall, towards noise if they rise."""
    x = working(x, denoiser)
    xs, states = [x.cpu()], []
    for index in range(len(sigmas) - 1):
        x, x0, state = stepped(step, denoiser, x, sigmas[index], sigmas[index + 1], cond, state)
        xs.append(x.cpu())
        states.append(state)
        if on_step is not None:
            on_step(Progress(stage, index, len(sigmas) - 1, float(sigmas[index + 1]), x, x0))
    return Walk(tuple(xs), tuple(states))


def replay(
    trajectory: Trajectory, denoiser: Denoiser, cond: Cond, *, start: int = 0, on_step: OnStep | None = None
) -> Walk:
    """Sample from `trajectory.xs[start]` with the trajectory's own step over its own grid. Raises as `check_usable`."""
    check_usable(trajectory, denoiser, start)
    x, sigmas, state = trajectory.xs[start], trajectory.sigmas[start:], opening(trajectory, start)
    return integrate(step_of(trajectory), denoiser, x, sigmas, cond, stage="replay", state=state, on_step=on_step)


def step_of(trajectory: Trajectory) -> Step:
    """The trajectory's own step: its solver's, and the noise map of the level added to where that leads."""
    step = SOLVERS[trajectory.solver].step
    if trajectory.noise is None:
        return step
    maps = {float(sigma): noise for sigma, noise in zip(trajectory.sigmas[:-1], trajectory.noise, strict=True)}

    def noisy(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
        x, state = step(denoise, x, sigma, sigma_next, state)
        return x + maps[float(sigma)].to(x), state

    return noisy


def opening(trajectory: Trajectory, start: int = 0) -> State:
    """What the trajectory's solver must know to go on from level `start`; None for one-step solvers."""
    look_back = SOLVERS[trajectory.solver].opening
    return look_back(trajectory, start) if look_back else None


def check_usable(trajectory: Trajectory, denoiser: Denoiser, start: int = 0) -> None:
    """Raises ValueError if the trajectory is of the other model family, or of an unknown solver, or `start` is not one of its steps."""
    if trajectory.path.name != denoiser.path.name:
        raise ValueError(
            f"The trajectory lies on the noise path '{trajectory.path.name}', but the model works on '{denoiser.path.name}'. Invert "
            "the image again with this model."
        )
    if trajectory.solver not in SOLVERS:
        raise ValueError(
            f"The trajectory needs the solver '{trajectory.solver}', but this version knows {', '.join(SOLVERS)}."
        )
    if not 0 <= start < trajectory.steps:
        raise ValueError(f"The start must be a step of the trajectory, 0 to {trajectory.steps - 1}; got {start}.")


def working(x: Latent, denoiser: Denoiser) -> Latent:
    """`x` on the denoiser's device, in float32, or in float64 if it is that already and the device has it."""
    kept = x.dtype == torch.float64 and has_float64(denoiser.device)
    return x.to(denoiser.device, torch.float64 if kept else torch.float32)


def finest(x: Latent, denoiser: Denoiser) -> Latent:
    """`x` on the denoiser's device, in float64 where the device has it, else in float32: for schemes that retrace exactly."""
    return x.to(denoiser.device, torch.float64 if has_float64(denoiser.device) else torch.float32)


@cache
def has_float64(device: torch.device) -> bool:
    """Whether the device computes in float64; Apple's and some of Intel's GPUs do not."""
    try:
        return bool(torch.ones((), dtype=torch.float64, device=device) + 1 == 2)
    except (TypeError, RuntimeError):
        return False


def stepped(
    step: Step, denoiser: Denoiser, x: Latent, sigma: Sigma, sigma_next: Sigma, cond: Cond, state: State
) -> tuple[Latent, Latent, State]:
    """Where the step leads, the last clean prediction made in it (`x` itself if there was none), and its state."""
    watched = Watched(denoiser)
    x, state = step(Bound(watched, cond), x, sigma, sigma_next, state)
    return x, watched.last(x), state


@dataclass(frozen=True)
class Watched(Wrapper):
    """A denoiser whose last prediction is kept in `seen`."""

    seen: list[Latent] = field(default_factory=list)

    def last(self, otherwise: Latent) -> Latent:
        """The last prediction, or `otherwise` if there was none."""
        return self.seen[-1] if self.seen else otherwise

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        self.seen[:] = [self.denoiser(x, sigma, cond)]
        return self.seen[0]
