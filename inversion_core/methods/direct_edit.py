"""DirectEdit's residual alignment: the target is asked where, and at the level at which, the inversion asked for the source."""

from ..loops.edit import Anchor
from ..shapes import Latent, Sigma
from ..solvers import ddim_inverse
from ..trajectory import Trajectory
from ..types import Bound, Cond, Denoiser, State, Step
from .editor import Editor, edit_along
from .published import Settings


def aligned(trajectory: Trajectory, up: Step) -> Step:
    """A step for the target along a trajectory that the one-step rule `up` made (DirectEdit, 2026).

    With the residual `R = x_source' - x_source` and y = x + R: `x' = x - (up(y) - y)`, so the network sees the shifted
    state and is told the level that the inversion told it (for Euler `x + (sigma' - sigma) v(x + R, sigma')`; the
    published DDIM inversion tells it sigma). Exact: the trajectory's own cond retraces the trajectory to rounding.
    """
    residuals = {sigma: after - before for sigma, (before, after) in trajectory.moves.items()}

    def step(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
        y = x + residuals[float(sigma)].to(x)
        return x + (y - up(denoise, y, sigma_next, sigma, None)[0]), state

    return step


def aligned_source(up: Step) -> Anchor:
    """The anchor beside `aligned`: the source is the trajectory itself, its attention recorded where the inversion asked."""

    def anchor(
        trajectory: Trajectory, denoiser: Denoiser, x: Latent, index: int, cond: Cond, state: State, *, recording: bool
    ) -> tuple[Latent, State]:
        sigma, sigma_next = trajectory.sigmas[index], trajectory.sigmas[index + 1]
        after = trajectory.xs[index + 1].to(x)
        if recording:
            up(Bound(denoiser, cond.alone()), after, sigma_next, sigma, None)
        return after, state

    return anchor


EDITOR = Editor(
    "DirectEdit",
    lambda job, trajectory: edit_along(
        job, trajectory, step=aligned(trajectory, ddim_inverse), anchor=aligned_source(ddim_inverse)
    ),
    inversion="ddim",
    about="runs the target prompt where the inversion ran the source prompt",
    # Published on SD3.5 and Flux; on `ve` the same, as tried on the toybox.
    settings=dict.fromkeys(("ve", "rf"), Settings(2.0, 1.0, 1.0, 30)),
)
