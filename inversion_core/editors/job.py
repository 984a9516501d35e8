"""What every way of editing a picture by two prompts has in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch

from ..attention.technique import Technique
from ..inversions import INVERSIONS, invert
from ..loops.edit import Anchor, Edited, Target, unanchored
from ..loops.memory import Memory, edit_within
from ..paths import NoisePath
from ..progress import OnStep, within
from ..shapes import Latent, Sigmas
from ..trajectory import NullText, Trajectory
from ..types import Cond, EditableDenoiser

BOTH = ("ve", "rf")


@dataclass(frozen=True)
class Job:
    """A clean latent and the change asked for. `source` and `target` carry guidance and the unconditional prompt.

    `strength` is the share of the steps that are edited, from 0 (hardly) to 1 (from pure noise). `null_text` saves the
    method of that name its optimisation. `memory` says how attention banks are kept and who is told; without, they are
    kept as recorded and nothing is foreseen.
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
class Plan:
    """What a method makes of a job along a trajectory: the arguments of `edit_all`, and the share of the run that making it took."""

    denoiser: EditableDenoiser
    source: Cond
    target: Target
    anchor: Anchor = unanchored
    spent: float = 0.0


@dataclass(frozen=True)
class Settings:
    """What a method was published with: the guidance of target and source, the strength, and the number of steps.

    Where it was not published for a kind of model, what edited well on the toybox; the table says so.
    """

    guidance: float
    source_guidance: float
    strength: float
    steps: int


@dataclass(frozen=True)
class Editor:
    """A method: the inversion that it starts from (None if it needs none), at which guidance (None: the source's), and how it edits.

    `families` are the noise paths that it is defined on; `uncond` says that it needs an unconditional branch,
    `gradients` that it differentiates the network, and `promptless` that it inverts the picture as the unconditional prompt, where the job has one. An
    unguided source is inverted unguided. `settings` are by `kind_of` model; a kind that is not there has none.
    """

    run: Callable[[Job, Trajectory | None], Edited]
    inversion: str | None = None
    inversion_guidance: float | None = 1.0
    families: tuple[str, ...] = BOTH
    uncond: bool = False
    about: str = ""
    promptless: bool = False
    gradients: bool = False
    settings: Mapping[str, Settings] = field(default_factory=dict)


def kind_of(path: NoisePath, distilled: bool, few_steps: bool = False) -> str:
    """The kind of model that settings are for: its noise path, or "distilled" if guidance is; `few_steps` if those are too."""
    kind = "distilled" if distilled else path.name
    return f"few-step {kind}" if few_steps else kind


class WrongInversion(ValueError):
    """A trajectory is not of the inversion that a method edits along."""

    def __init__(self, inversion: str, trajectory: Trajectory) -> None:
        made = trajectory.provenance.method or f"a method replayed by '{trajectory.solver}'"
        super().__init__(
            f"This method edits along a trajectory of the inversion '{inversion}', but this trajectory was made by {made}. Invert "
            f"the image with '{inversion}'."
        )
        self.inversion = inversion


def planned(
    make: Callable[[Job, Trajectory], Plan],
    *,
    inversion: str = "ddim",
    solver: str | tuple[str, ...] | None = "euler",
    inversion_guidance: float | None = 1.0,
    families: tuple[str, ...] = BOTH,
    uncond: bool = False,
    about: str = "",
    promptless: bool = False,
    gradients: bool = False,
    settings: Mapping[str, Settings] | None = None,
) -> Editor:
    """An editor that runs source and target side by side along a trajectory that `solver` replays (several: one of them; None: any), as `make` plans it."""
    solvers = (solver,) if isinstance(solver, str) else solver

    def run(job: Job, trajectory: Trajectory | None) -> Edited:
        assert trajectory is not None
        if solvers is not None and trajectory.solver not in solvers:
            raise WrongInversion(inversion, trajectory)
        plan = make(job, trajectory)
        return edit_within(
            job.memory,
            trajectory,
            plan.denoiser,
            plan.source,
            [plan.target],
            anchor=plan.anchor,
            start=job.start,
            on_step=within(job.on_step, plan.spent, 1 - plan.spent),
        )[0]

    return Editor(run, inversion, inversion_guidance, families, uncond, about, promptless, gradients, settings or {})


def plain(job: Job, trajectory: Trajectory) -> Plan:
    """Source and target sampled alike, under guidance."""
    return Plan(job.denoiser, job.source, Target(job.target, job.techniques))


def trajectory_for(editor: Editor, job: Job) -> Trajectory | None:
    """The trajectory that the editor starts from; None if it needs none."""
    if editor.inversion is None:
        return None
    guidance = editor.inversion_guidance if job.source.guided else None
    cond = job.source if guidance is None else replace(job.source, guidance=guidance)
    if editor.promptless and job.source.uncond is not None:
        cond = Cond(job.source.uncond)
    inversion = INVERSIONS[editor.inversion]
    return invert(inversion, job.denoiser, job.x0, job.sigmas, cond, generator=job.generator, on_step=job.on_step)
