"""Editing along a trajectory: source and target side by side, step by step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import torch

from ..attention.bank import Bank, Storage, total
from ..attention.budget import advised
from ..attention.site import AttentionEdit
from ..attention.technique import Technique
from ..progress import OnStep, Progress
from ..shapes import Latent, Sigma
from ..trajectory import Trajectory
from ..types import Bound, Cond, Denoiser, EditableDenoiser, State, Step
from .integrate import Watched, check_usable, opening, step_of, stepped, working


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
    return step_of(trajectory)(Bound(denoiser, cond), x, sigma, sigma_next, state)


@dataclass(frozen=True)
class Target:
    """One edit of a picture: its prompt, its techniques, and what is changed about the network or the step for it alone."""

    cond: Cond
    techniques: Sequence[Technique] = ()
    wrap: Callable[[EditableDenoiser], EditableDenoiser] | None = None
    step: Step | None = None


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
    storage: Storage | None = None,
    on_step: OnStep | None = None,
) -> Edited:
    """Source and target side by side from level `start`: at each step the source pass fills a bank, the target pass reads it.

    The two are separate passes, so their prompts may differ in everything. The bank keeps its tensors as `storage` says.
    Raises as `check_usable`, UnmatchedEdit if a technique met no attention call, and torch.OutOfMemoryError with advice
    if the memory for the bank does not suffice.
    """
    targets = [Target(target, techniques)]
    return edit_all(
        trajectory, denoiser, source, targets, anchor=anchor, start=start, storage=storage, on_step=on_step
    )[0]


def edit_all(
    trajectory: Trajectory,
    denoiser: EditableDenoiser,
    source: Cond,
    targets: Sequence[Target],
    *,
    anchor: Anchor = unanchored,
    start: int = 0,
    storage: Storage | None = None,
    on_step: OnStep | None = None,
) -> list[Edited]:
    """Several edits of one picture, as `edit`; they share the source pass. Progress shows the first.

    Raises ValueError if the trajectory of a technique's reference is not on the same grid.
    """
    check_usable(trajectory, denoiser, start)
    check_references(trajectory, denoiser, targets, start)
    x_source, state = working(trajectory.xs[start], denoiser), opening(trajectory, start)
    begun = [started(target.techniques, x_source, trajectory.sigmas[start]) for target in targets]
    branches = [
        _Branch(target, x, None if target.step else state, (None,) * len(target.techniques))
        for target, x in zip(targets, begun, strict=True)
    ]
    xs_source = [x_source.cpu()]
    for index in range(start, trajectory.steps):
        banks = [Bank(storage) for _ in branches]
        pairs = list(zip(branches, banks, strict=True))
        records = [e for branch, bank in pairs for e in edits_of(branch.target.techniques, bank, "record")]
        recorder = Watched(denoiser.edited(*records))
        with advised(banks):
            x_source, state = anchor(trajectory, recorder, x_source, index, source, state, recording=bool(records))
            for branch, bank in pairs:
                look(branch.target.techniques, denoiser, bank, index)
            moved = [branch.moved(trajectory, denoiser, bank, x_source, index) for branch, bank in pairs]
        branches = [branch for branch, _ in moved]
        xs_source.append(x_source.cpu())
        if on_step is not None:
            sigma_next, steps, x = float(trajectory.sigmas[index + 1]), trajectory.steps - start, branches[0].x
            clean = (x, x_source) if sigma_next == 0 else (moved[0][1], recorder.last(trajectory.xs[-1]))
            on_step(Progress("edit", index - start, steps, sigma_next, x, clean[0], total(banks), clean[1]))
    return [Edited(branch.x.cpu(), tuple(xs_source)) for branch in branches]


@dataclass(frozen=True)
class _Branch:
    """A target branch between two steps."""

    target: Target
    x: Latent
    state: State
    blended: tuple[State, ...]

    def moved(
        self, trajectory: Trajectory, denoiser: EditableDenoiser, bank: Bank, x_source: Latent, index: int
    ) -> tuple["_Branch", Latent]:
        """The branch a step on, and the last clean prediction made for it."""
        sigma, sigma_next = trajectory.sigmas[index], trajectory.sigmas[index + 1]
        host = self.target.wrap(denoiser) if self.target.wrap else denoiser
        host = host.edited(*edits_of(self.target.techniques, bank, "inject"))
        step = self.target.step or step_of(trajectory)
        x, x0, state = stepped(step, host, self.x, sigma, sigma_next, self.target.cond, self.state)
        x, states = blended(self.target.techniques, x, x_source, sigma, bank, self.blended)
        return replace(self, x=x, state=state, blended=states), x0


def look(techniques: Sequence[Technique], denoiser: EditableDenoiser, bank: Bank, index: int) -> None:
    """Let the techniques' references record in `bank` what the step from level `index` shows of them."""
    for reference in (t.reference for t in techniques if t.reference is not None):
        shown = denoiser.edited(reference.record(bank))
        x = working(reference.trajectory.xs[index], denoiser)
        unanchored(reference.trajectory, shown, x, index, reference.cond.alone(), None, recording=True)


def check_references(trajectory: Trajectory, denoiser: EditableDenoiser, targets: Sequence[Target], start: int) -> None:
    """Raises ValueError if a reference cannot be walked beside the trajectory."""
    for reference in (t.reference for target in targets for t in target.techniques if t.reference is not None):
        check_usable(reference.trajectory, denoiser, start)
        if not torch.equal(reference.trajectory.sigmas, trajectory.sigmas):
            theirs, ours = (
                f"{t.steps} step{'s' * (t.steps != 1)} from sigma {t.sigmas[0]:.4g}"
                for t in (reference.trajectory, trajectory)
            )
            raise ValueError(
                f"The reference was inverted on {theirs}, the image on {ours}. Invert both on the same noise levels."
            )


def edits_of(techniques: Sequence[Technique], bank: Bank, role: Literal["record", "inject"]) -> list[AttentionEdit]:
    """The attention edits of the source pass or of the target pass, which meet in `bank`.

    The source pass changes nothing: all of its edits read.
    """
    makers = (getattr(technique, role) for technique in techniques)
    edits = [make(bank) for make in makers if make is not None]
    return [replace(edit, reads=True) for edit in edits] if role == "record" else edits


def started(techniques: Sequence[Technique], x: Latent, sigma: Sigma) -> Latent:
    """The latent that a target starts from, where the source starts from `x`."""
    for begin in (technique.begin for technique in techniques if technique.begin is not None):
        x = begin(x, float(sigma))
    return x


def blended(
    techniques: Sequence[Technique], x: Latent, x_source: Latent, sigma: Sigma, bank: Bank, states: Sequence[State]
) -> tuple[Latent, tuple[State, ...]]:
    """`x` after the techniques' blends with the source, and their states, one each."""
    after = list(states)
    for number, technique in enumerate(techniques):
        if technique.blend is not None:
            x, after[number] = technique.blend(x, x_source, float(sigma), bank, after[number])
    return x, tuple(after)
