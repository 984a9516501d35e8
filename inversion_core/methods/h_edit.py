"""h-Edit: a base step that follows the source, and an editing term at the level that it leads to."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from ..loops.edit import Edited
from ..loops.integrate import step_of
from ..paths import velocity
from ..shapes import Latent, Sigma
from ..trajectory import Trajectory
from ..types import Bound, Cond, Denoiser, EditableDenoiser, State, Step, require_unconditional
from .editor import EditJob, Editor, edit_along
from .published import Settings

# arXiv:2503.02187, published code.
TARGET_GUIDANCE = 7.5  # the editing term's
SOURCE_GUIDANCE = 5.0  # the editing term's
PULL = 0.1  # the weight of the pull to the base in further loops


def h_edit(
    trajectory: Trajectory,
    denoiser: EditableDenoiser,
    source: Cond,
    *,
    source_guidance: float = SOURCE_GUIDANCE,
    loops: int = 1,
    pull: float = PULL,
) -> Step:
    """A step for the target (arXiv:2503.02187, eq. 22-25, implicit form); it calls `denoiser`, without attention edits, for the source.

    The base is the trajectory's own step under the source prompt with what brings the source to its next latent: the
    noise map where the trajectory has them (h-Edit-R), else the step's error on the source (h-Edit-D). Then, `loops` times,
    `x' += c (v_target - v_source)` at the next level, with the clean predictions `D_u + w (D_c - D_u)` under the
    target's guidance and `source_guidance`, and with c the coefficient of the velocity in the step; further loops also
    pull x' to the base. Where the next level is 0 the term is taken at x (the explicit form, eq. 23). Exact: the source
    prompt at equal guidances retraces the trajectory. Raises ValueError if there is no unconditional branch or no loop.
    """
    require_unconditional(denoiser, "h-Edit")
    if source.uncond is None or loops < 1:
        raise ValueError(f"h-Edit needs an unconditional prompt and at least one loop; got {loops} loops.")
    base, kept = _base(trajectory, Bound(denoiser, replace(source, guidance=trajectory.provenance.guidance)))

    def change(denoise: Bound, x: Latent, sigma: Sigma) -> Latent:
        unguided, plain = denoiser(x, sigma, Cond(source.uncond)), denoiser(x, sigma, source.alone())
        wanted = denoise.denoiser(x, sigma, denoise.cond.alone())
        clean = denoise.cond.guidance * (wanted - unguided) - source_guidance * (plain - unguided)
        return velocity(torch.zeros_like(clean), clean, sigma)

    def step(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
        path = denoise.path
        weight = kept(sigma, sigma_next) * path.alpha(sigma) - path.alpha(sigma_next) * sigma
        start = base(x, sigma, sigma_next)
        if sigma_next == 0:
            return start + weight * change(denoise, x, sigma), state
        moved = start
        for loop in range(loops):
            difference = change(denoise, moved, sigma_next)
            if loop > 0:
                moved = moved - pull * path.input_scale(sigma_next) * _towards(start, moved, difference)
            moved = moved + weight * difference
        return moved, state

    return step


def h_edit_source(
    trajectory: Trajectory, denoiser: Denoiser, x: Latent, index: int, cond: Cond, state: State, *, recording: bool
) -> tuple[Latent, State]:
    """The anchor beside `h_edit`: the source is the trajectory itself, its attention recorded where the editing term is taken."""
    after, sigma_next = trajectory.xs[index + 1].to(x), trajectory.sigmas[index + 1]
    if recording:
        at = (trajectory.xs[index].to(x), trajectory.sigmas[index]) if sigma_next == 0 else (after, sigma_next)
        denoiser(*at, cond.alone())
    return after, state


def _base(
    trajectory: Trajectory, denoise: Bound
) -> tuple[Callable[[Latent, Sigma, Sigma], Latent], Callable[[Sigma, Sigma], Sigma]]:
    """The base step, and how much of the noise a step of its sort keeps."""
    step, moves = step_of(trajectory), trajectory.moves

    def random(x: Latent, sigma: Sigma, sigma_next: Sigma) -> Latent:
        return step(denoise, x, sigma, sigma_next, None)[0]

    def deterministic(x: Latent, sigma: Sigma, sigma_next: Sigma) -> Latent:
        before, after = (latent.to(x) for latent in moves[float(sigma)])
        return random(x, sigma, sigma_next) + (after - random(before, sigma, sigma_next))

    if trajectory.noise is not None:
        return random, lambda sigma, sigma_next: denoise.path.ancestral(sigma, sigma_next)[0]
    return deterministic, lambda sigma, sigma_next: sigma_next


def _towards(start: Latent, moved: Latent, difference: Latent) -> Latent:
    """The gradient of `|moved - start|` (l1), scaled to the root mean square of `difference` in each picture."""
    sign = (moved - start).sign()
    axes = tuple(range(1, sign.ndim))
    size = [t.square().mean(axes, keepdim=True).sqrt() for t in (difference, sign)]
    return sign * size[0] / (size[1] + 1e-8)


def _edit(job: EditJob, trajectory: Trajectory) -> Edited:
    """The source's guidance in the editing term stays in its published proportion to the target's."""
    source_guidance = job.target.guidance * SOURCE_GUIDANCE / TARGET_GUIDANCE
    step = h_edit(trajectory, job.denoiser, job.source, source_guidance=source_guidance)
    return edit_along(job, trajectory, step=step, anchor=h_edit_source)


# Published on Stable Diffusion 1; on `rf` the same, as tried on the toybox.
_editor = partial(
    Editor, run=_edit, uncond=True, settings=dict.fromkeys(("ve", "rf"), Settings(TARGET_GUIDANCE, 1.0, 1.0, 50))
)

EDITORS = (
    _editor("h-Edit-D", inversion="ddim", about="follows the source, then moves towards the target"),
    _editor(
        "h-Edit-R",
        inversion="edit-friendly DDPM",
        solvers=("ddpm",),
        about="follows the source along noise maps, then moves towards the target; freer than h-Edit-D",
    ),
)
