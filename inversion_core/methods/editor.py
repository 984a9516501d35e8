"""What every method that edits a picture by two prompts has in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ..attention.budget import Memory
from ..attention.technique import Technique
from ..inversions import INVERSIONS, invert
from ..loops.delta import Rule, delta_edit
from ..loops.edit import Anchor, Edit, Edited, Target, unanchored
from ..progress import OnStep, within
from ..shapes import Latent, Sigmas
from ..trajectory import NullText, Trajectory
from ..types import Cond, EditableDenoiser, require_unconditional
from .settings import USUAL, Settings, kind_of
from .with_null_text import with_null_text


@dataclass(frozen=True)
class EditJob:
    """A clean latent and the change asked for. `source` and `target` carry guidance and the unconditional prompt.

    `strength` is the share of the steps that are edited, from 0 (hardly) to 1 (from pure noise). `null_text` holds a
    guided edit on the trajectory, and saves the method of that name its optimisation. `memory` says how attention banks are kept and who is told; without, they are
    kept as recorded.
    """

    denoiser: EditableDenoiser
    x0: Latent
    sigmas: Sigmas
    source: Cond
    target: Cond
    strength: float = 1.0
    techniques: tuple[Technique, ...] = ()
    null_text: NullText | None = None
    seed: int = 0
    memory: Memory | None = None
    on_step: OnStep | None = None

    @property
    def start(self) -> int:
        """The first step that is edited."""
        steps = len(self.sigmas) - 1
        return min(round((1 - self.strength) * steps), steps - 1)

    @property
    def generator(self) -> torch.Generator:
        """A new source of noise, on the CPU, at the job's seed."""
        return torch.Generator().manual_seed(self.seed)


@dataclass(frozen=True)
class Editor:
    """A method, by the name that the field knows it by: all that a caller must know of it.

    It edits along a trajectory of `inversion` (None: it needs none), which was made at `inversion_guidance` (None: the
    source's; an unguided source is inverted unguided) and is replayed by one of `solvers` (None: any). `uncond` says that
    it needs an unconditional branch, `gradients` that it differentiates the network, and `promptless` that it inverts the
    picture as the unconditional prompt, where the job has one. `settings` are by the `kind_of` model that it was
    published for, or tried on the toybox.
    """

    name: str
    run: Callable[[EditJob, Any], Edited]
    about: str
    inversion: str | None = None
    inversion_guidance: float | None = 1.0
    solvers: tuple[str, ...] | None = ("euler",)
    uncond: bool = False
    gradients: bool = False
    promptless: bool = False
    settings: Mapping[str, Settings] = field(default_factory=dict)

    def edit(self, job: EditJob, trajectory: Trajectory | None = None) -> Edited:
        """The job done by the method, along `trajectory` or a new one.

        Raises WrongInversion if the trajectory is of another inversion, ValueError if the method needs an unconditional
        branch that the model has not, and as the method itself.
        """
        if self.uncond:
            require_unconditional(job.denoiser, f"'{self.name}'")
        trajectory = trajectory or self.invert(job)
        if self.inversion and self.solvers and trajectory and trajectory.solver not in self.solvers:
            raise WrongInversion(self.inversion, trajectory)
        return self.run(job, trajectory)

    def invert(self, job: EditJob) -> Trajectory | None:
        """The trajectory that the method edits along; None if it needs none."""
        if self.inversion is None:
            return None
        guidance = self.inversion_guidance if job.source.guided else None
        cond = job.source if guidance is None else replace(job.source, guidance=guidance)
        if self.promptless and job.source.uncond is not None:
            cond = Cond(job.source.uncond)
        inversion = INVERSIONS[self.inversion]
        return invert(inversion, job.denoiser, job.x0, job.sigmas, cond, generator=job.generator, on_step=job.on_step)

    def settings_on(self, denoiser: EditableDenoiser, few_steps: bool = False) -> Settings:
        """What the method was published with for this kind of model, or what is usual on it."""
        return self.settings_for(kind_of(denoiser.path, denoiser.distilled, few_steps))

    def settings_for(self, kind: str) -> Settings:
        """The same for a kind of model."""
        return self.settings.get(kind, USUAL[kind])


class WrongInversion(ValueError):
    """A trajectory is not of the inversion that a method edits along."""

    def __init__(self, inversion: str, trajectory: Trajectory) -> None:
        made = trajectory.provenance.method or f"a method replayed by '{trajectory.solver}'"
        super().__init__(
            f"This method edits along a trajectory of the inversion '{inversion}'; this one was made by {made}. Invert the "
            f"picture with '{inversion}'."
        )
        self.inversion = inversion


def edit_along(
    job: EditJob,
    trajectory: Trajectory,
    target: Target | None = None,
    *,
    source: Cond | None = None,
    anchor: Anchor = unanchored,
    start: int | None = None,
    spent: float = 0.0,
) -> Edited:
    """The job done by source and target side by side along the trajectory, the share `spent` of the run being over.

    What is None is the job's: the target is its prompt with its techniques, sampled as the source is. With the job's
    null-text result its embeddings stand for the unconditional prompt.
    """
    targets = [target or Target(job.target, job.techniques)]
    denoiser = job.denoiser if job.null_text is None else with_null_text(job.denoiser, job.null_text)
    edit = Edit(trajectory, denoiser, source or job.source, targets, anchor, job.start if start is None else start)
    return edit.run(job.memory, within(job.on_step, spent, 1 - spent))[0]


def edit_freely(
    job: EditJob,
    rule: Rule,
    *,
    sigmas: Sigmas | None = None,
    source: Cond | None = None,
    target: Cond | None = None,
) -> Edited:
    """The job done by `rule` without a trajectory; what is None is the job's, its grid from where the edit starts."""
    return delta_edit(
        rule,
        job.denoiser,
        job.x0,
        job.sigmas[job.start :] if sigmas is None else sigmas,
        source or job.source,
        target or job.target,
        techniques=job.techniques,
        generator=job.generator,
        memory=job.memory,
        on_step=job.on_step,
    )
