"""Editing along a trajectory: source and target side by side, step by step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import torch

from ..attention.bank import Bank
from ..attention.budget import Ledger, Memory
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


@dataclass(frozen=True)
class Edit:
    """Edits of one picture: source and targets side by side along its trajectory, from level `start` on.

    At each step the source pass fills a bank for each target, and the target's pass reads it. They are separate passes, so
    the prompts may differ in everything. Targets share the source pass.
    """

    trajectory: Trajectory
    denoiser: EditableDenoiser
    source: Cond
    targets: Sequence[Target]
    anchor: Anchor = unanchored
    start: int = 0

    def run(self, memory: Memory | None = None, on_step: OnStep | None = None) -> list[Edited]:
        """The targets' ends; progress shows the first. Banks are kept as `memory` says, without it as they were recorded.

        Raises ValueError as `check_usable` and if a reference is on another grid, UnmatchedEdit if a technique met no
        attention call, BankTooLarge in the first step that keeps more than `memory` has room for, and
        torch.OutOfMemoryError with advice.
        """
        return self.run_within(Ledger(memory, self.denoiser.device), on_step)

    def run_within(self, ledger: Ledger, on_step: OnStep | None = None) -> list[Edited]:
        """The same with banks of a ledger that edits share, one after another."""
        check_usable(self.trajectory, self.denoiser, self.start)
        check_references(self)
        x_source, state = working(self.trajectory.xs[self.start], self.denoiser), opening(self.trajectory, self.start)
        branches = [self._begun(target, Bank(ledger), x_source, state) for target in self.targets]
        xs_source = [x_source.cpu()]
        for index in range(self.start, self.trajectory.steps):
            with ledger.step():
                records = [edit for one in branches for edit in edits_of(one.target.techniques, one.bank, "record")]
                recorder, recording = Watched(self.denoiser.edited(*records)), bool(records)
                x_source, state = self.anchor(
                    self.trajectory, recorder, x_source, index, self.source, state, recording=recording
                )
                for branch in branches:
                    show_references(branch.target.techniques, self.denoiser, branch.bank, index)
                ledger.check()
                branches = [branch.moved(self, x_source, index) for branch in branches]
                xs_source.append(x_source.cpu())
                if on_step is not None:
                    on_step(self._progress(index, branches[0], x_source, recorder, ledger))
        return [Edited(branch.x.cpu(), tuple(xs_source)) for branch in branches]

    def _begun(self, target: Target, bank: Bank, x_source: Latent, state: State) -> "_Branch":
        x = begin(target.techniques, x_source, self.trajectory.sigmas[self.start])
        return _Branch(target, bank, x, x, None if target.step else state, (None,) * len(target.techniques))

    def _progress(self, index: int, branch: "_Branch", x_source: Latent, recorder: Watched, ledger: Ledger) -> Progress:
        sigma, steps = float(self.trajectory.sigmas[index + 1]), self.trajectory.steps - self.start
        x0, source = branch.x0, recorder.last(self.trajectory.xs[-1])
        if sigma == 0:
            x0, source = branch.x, x_source
        return Progress("edit", index - self.start, steps, sigma, branch.x, x0, ledger.sizes, source)


@dataclass(frozen=True)
class _Branch:
    """A target between two steps: its latent and the last clean prediction, and the bank that the source fills for it."""

    target: Target
    bank: Bank
    x: Latent
    x0: Latent
    state: State
    blends: tuple[State, ...]

    def moved(self, edit: Edit, x_source: Latent, index: int) -> "_Branch":
        """The branch a step on."""
        sigma, sigma_next = edit.trajectory.sigmas[index : index + 2]
        host = self.target.wrap(edit.denoiser) if self.target.wrap else edit.denoiser
        host = host.edited(*edits_of(self.target.techniques, self.bank, "inject"))
        step = self.target.step or step_of(edit.trajectory)
        x, x0, state = stepped(step, host, self.x, sigma, sigma_next, self.target.cond, self.state)
        x, blends = blend(self.target.techniques, x, x_source, sigma, self.bank, self.blends)
        return replace(self, x=x, x0=x0, state=state, blends=blends)


def show_references(techniques: Sequence[Technique], denoiser: EditableDenoiser, bank: Bank, index: int) -> None:
    """Let the techniques' references record in `bank` what the step from level `index` shows of them."""
    for reference in (t.reference for t in techniques if t.reference is not None):
        shown = denoiser.edited(reference.record(bank))
        x = working(reference.trajectory.xs[index], denoiser)
        unanchored(reference.trajectory, shown, x, index, reference.cond.alone(), None, recording=True)


def check_references(edit: Edit) -> None:
    """Raises ValueError if a reference cannot be walked beside the trajectory."""
    for reference in (t.reference for target in edit.targets for t in target.techniques if t.reference is not None):
        check_usable(reference.trajectory, edit.denoiser, edit.start)
        if not torch.equal(reference.trajectory.sigmas, edit.trajectory.sigmas):
            grid, own = (
                f"{t.steps} step{'s' * (t.steps != 1)} from sigma {t.sigmas[0]:.4g}"
                for t in (reference.trajectory, edit.trajectory)
            )
            raise ValueError(
                f"The reference was inverted on {grid}, the image on {own}. Invert both on the same noise levels."
            )


def edits_of(techniques: Sequence[Technique], bank: Bank, role: Literal["record", "inject"]) -> list[AttentionEdit]:
    """The attention edits of the source pass or of the target pass, which meet in `bank`.

    The source pass changes nothing: all of its edits read.
    """
    makers = (getattr(technique, role) for technique in techniques)
    edits = [make(bank) for make in makers if make is not None]
    return [replace(edit, reads=True) for edit in edits] if role == "record" else edits


def begin(techniques: Sequence[Technique], x: Latent, sigma: Sigma) -> Latent:
    """The latent that a target starts from, where the source starts from `x`."""
    for technique in techniques:
        if technique.begin is not None:
            x = technique.begin(x, float(sigma))
    return x


def blend(
    techniques: Sequence[Technique], x: Latent, x_source: Latent, sigma: Sigma, bank: Bank, states: Sequence[State]
) -> tuple[Latent, tuple[State, ...]]:
    """`x` after the techniques' blends with the source, and their states, one each."""
    after = list(states)
    for number, technique in enumerate(techniques):
        if technique.blend is not None:
            x, after[number] = technique.blend(x, x_source, float(sigma), bank, after[number])
    return x, tuple(after)
