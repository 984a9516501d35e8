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
from ..types import Cond, EditableDenoiser, Step, require_unconditional
from .published import USUAL, Settings, kind_of
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
    source's, and no other; an unguided source is inverted unguided) and is replayed by one of `solvers` (None: any). `uncond` says that
    it needs an unconditional branch, `own_negative` that it sets the unconditional prompt itself, `gradients` that it differentiates the network, and `promptless` that it inverts the
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
    own_negative: bool = False
    gradients: bool = False
    promptless: bool = False
    settings: Mapping[str, Settings] = field(default_factory=dict)

    @property
    def draws_noise(self) -> bool:
        """Whether the job's seed matters: methods without an inversion draw noise, and some inversions do."""
        return self.inversion is None or INVERSIONS[self.inversion].draws_noise

    def edit(self, job: EditJob, trajectory: Trajectory | None = None) -> Edited:
        """The job done by the method, along `trajectory` or a new one.

        Raises WrongInversion if the trajectory is of another inversion, ValueError if it was made under another guidance
        than the method needs or the model lacks the unconditional branch that it needs, and as the method itself.
        """
        if self.uncond:
            require_unconditional(job.denoiser, f"'{self.name}'")
        trajectory = trajectory or self.invert(job)
        if self.inversion and trajectory:
            self._check(job, trajectory, self.inversion)
        return self.run(job, trajectory)

    def _check(self, job: EditJob, trajectory: Trajectory, inversion: str) -> None:
        if self.solvers and trajectory.solver not in self.solvers:
            raise WrongInversion(inversion, trajectory)
        inverted_at, guidance = trajectory.provenance.guidance, job.source.guidance
        if self.inversion_guidance is None and inverted_at != guidance and not job.denoiser.distilled:
            raise ValueError(
                f"{self.name} retraces the image only under the guidance of its inversion, {inverted_at:g}, but source guidance is "
                f"{guidance:g}. Invert at {guidance:g}, or set source guidance to {inverted_at:g}."
            )

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

    def settings_on(
        self, denoiser: EditableDenoiser, few_steps: bool = False, guidance: float | None = None
    ) -> Settings:
        """What the method was published with for this kind of model, or what is usual on it, there with the model's own `guidance`."""
        kind = kind_of(denoiser.path, denoiser.distilled, few_steps)
        settings = self.settings_for(kind)
        if guidance is None or kind in self.settings:
            return settings
        alike = settings.source_guidance == settings.guidance
        return replace(settings, guidance=guidance, source_guidance=guidance if alike else settings.source_guidance)

    def settings_for(self, kind: str) -> Settings:
        """The same for a kind of model."""
        return self.settings.get(kind, USUAL[kind])


class WrongInversion(ValueError):
    """A trajectory is not of the inversion that a method edits along."""

    def __init__(self, inversion: str, trajectory: Trajectory) -> None:
        made = trajectory.provenance.method or f"a method replayed by '{trajectory.solver}'"
        super().__init__(
            f"This method edits along a trajectory of the inversion '{inversion}', but this trajectory was made by {made}. Invert "
            f"the image with '{inversion}'."
        )
        self.inversion = inversion


def edit_along(
    job: EditJob,
    trajectory: Trajectory,
    *,
    source: Cond | None = None,
    target: Cond | None = None,
    anchor: Anchor = unanchored,
    wrap: Callable[[EditableDenoiser], EditableDenoiser] | None = None,
    step: Step | None = None,
    start: int | None = None,
    spent: float = 0.0,
) -> Edited:
    """The job done by source and target side by side along the trajectory; prompts that are None are the job's.

    `wrap` and `step` are the target's alone (`Target`); `start` is the first step that is edited, None for the job's, and
    `spent` the share of the whole run that is over. A null-text result's embeddings stand for the unconditional prompt.
    """
    denoiser = job.denoiser if job.null_text is None else with_null_text(job.denoiser, job.null_text)
    targets = [Target(target or job.target, job.techniques, wrap, step)]
    edit = Edit(trajectory, denoiser, source or job.source, targets, anchor, job.start if start is None else start)
    return edit.run(job.memory, within(job.on_step, spent, 1 - spent))[0]


def anchored(anchor: Anchor, start: int) -> Editor:
    """An editor from step `start` on of any trajectory, whose source moves as `anchor` says."""
    return Editor("", lambda job, trajectory: edit_along(job, trajectory, anchor=anchor, start=start), "", solvers=None)


def edit_freely(
    job: EditJob, rule: Rule, *, sigmas: Sigmas | None = None, source: Cond | None = None, target: Cond | None = None
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
