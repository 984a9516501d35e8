"""Editing along a trajectory: source and target side by side, step by step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from .attention.bank import Bank
from .attention.site import AttentionEdit, Technique
from .integrate import check_usable, stepped, working
from .shapes import Latent
from .solvers import SOLVERS
from .trajectory import Trajectory
from .types import Bound, Cond, Denoiser, EditableDenoiser, OnStep, Progress, State


@runtime_checkable
class Anchor(Protocol):
    """How the source branch moves from `xs[index]`'s level to the next; `recording` says whether its attention is needed."""

    def __call__(
        self,
        trajectory: Trajectory,
        denoiser: Denoiser,
        x: Latent,
        index: int,
        cond: Cond,
        state: State,
        *,
        recording: bool,
    ) -> tuple[Latent, State]: ...


def unanchored(
    trajectory: Trajectory, denoiser: Denoiser, x: Latent, index: int, cond: Cond, state: State, *, recording: bool
) -> tuple[Latent, State]:
    """The source branch samples like the target's and drifts from the trajectory as guidance makes it."""
    sigma, sigma_next = trajectory.sigmas[index], trajectory.sigmas[index + 1]
    return SOLVERS[trajectory.solver](Bound(denoiser, cond), x, sigma, sigma_next, state)


@dataclass(frozen=True)
class Edited:
    """The end of the target branch, and the source branch's latents from the start level on."""

    target: Latent
    source: tuple[Latent, ...]


def edit(
    trajectory: Trajectory,
    denoiser: EditableDenoiser,
    source: Cond,
    target: Cond,
    *,
    anchor: Anchor = unanchored,
    techniques: Sequence[Technique] = (),
    start: int = 0,
    on_step: OnStep | None = None,
) -> Edited:
    """Source and target side by side from level `start`: at each step the source pass fills a bank, the target pass reads it.

    The two are separate passes, so their prompts may differ in everything. Raises as `check_usable`, and UnmatchedEdit
    if a technique met no attention call.
    """
    check_usable(trajectory, denoiser, start)
    step = SOLVERS[trajectory.solver]
    x_source = x_target = working(trajectory.xs[start], denoiser)
    xs_source, state_source, state_target = [x_source.cpu()], None, None
    blended: list[State] = [None] * len(techniques)
    for index in range(start, trajectory.steps):
        bank, sigma, sigma_next = Bank(), trajectory.sigmas[index], trajectory.sigmas[index + 1]
        records = _edits(bank, [t.record for t in techniques])
        x_source, state_source = anchor(
            trajectory, denoiser.edited(*records), x_source, index, source, state_source, recording=bool(records)
        )
        injected = denoiser.edited(*_edits(bank, [t.inject for t in techniques]))
        x_target, x0, state_target = stepped(step, injected, x_target, sigma, sigma_next, target, state_target)
        for number, technique in enumerate(techniques):
            if technique.blend is not None:
                x_target, blended[number] = technique.blend(x_target, x_source, float(sigma), bank, blended[number])
        xs_source.append(x_source.cpu())
        if on_step is not None:
            on_step(Progress("edit", index - start, trajectory.steps - start, float(sigma_next), x_target, x0))
    return Edited(x_target.cpu(), tuple(xs_source))


def _edits(bank: Bank, makers: Sequence[Callable[[Bank], AttentionEdit] | None]) -> list[AttentionEdit]:
    return [make(bank) for make in makers if make is not None]
