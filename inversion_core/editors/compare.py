"""All methods on one picture, each with what it cost: so that a person can choose by looking."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..loops.edit import Edited
from ..progress import within
from ..quality.metrics import Counted
from ..trajectory import Trajectory
from ..types import Cond, EditableDenoiser
from . import EDITORS, run_editor
from .job import Editor, Job, Settings, kind_of, trajectory_for

USUAL = {
    "ve": Settings(guidance=7.5, source_guidance=7.5, strength=1.0, steps=50),
    "rf": Settings(guidance=5.0, source_guidance=5.0, strength=1.0, steps=28),
    "distilled": Settings(guidance=3.5, source_guidance=1.0, strength=1.0, steps=28),
    "few-step ve": Settings(guidance=1.0, source_guidance=1.0, strength=0.8, steps=4),
    "few-step rf": Settings(guidance=1.0, source_guidance=1.0, strength=0.8, steps=8),
    "few-step distilled": Settings(guidance=3.5, source_guidance=1.0, strength=0.8, steps=8),
}
"""For methods without published settings on a kind of model.

Models distilled to few steps have learnt guidance in: they are shown one prompt alone. Their strength is TurboEdit's, their
steps those of SDXL-Turbo, SDXL-Lightning, DMD2 and LCM (`ve`), of Z-Image-Turbo (`rf`; FLUX.1-schnell and FLUX.2-klein
want 4) and of FLUX.1-dev with an adapter of few steps. None was measured on such a model."""

INVERTING, EDITING, OPTIMISING = 1.0, 2.0, 20.0
"""Roughly how long the parts of a method take; OPTIMISING is an edit that differentiates the network."""

Prompts = Callable[[Settings], tuple[Cond, Cond]]
"""The source's and the target's prompt under the guidance of the settings."""


@dataclass(frozen=True)
class Compared:
    """One method's edit, or why there is none. Evaluations and seconds count its inversion, once per kind of inversion."""

    name: str
    settings: Settings
    edited: Edited | None
    evaluations: int = 0
    seconds: float = 0.0
    refused: str = ""


def fitting(denoiser: EditableDenoiser, few_steps: bool = False) -> list[str]:
    """The methods that work on a model of this kind; where guidance or steps are distilled, without an unconditional branch."""
    alone = denoiser.distilled or few_steps
    return [
        name
        for name, editor in EDITORS.items()
        if denoiser.path.name in editor.families and not (editor.uncond and alone)
    ]


def settings_for(name: str, denoiser: EditableDenoiser, few_steps: bool = False) -> Settings:
    """What a method was published with for this kind of model, or what is usual on it."""
    return of_kind(name, kind_of(denoiser.path, denoiser.distilled, few_steps))


def of_kind(name: str, kind: str) -> Settings:
    """The same for a kind of model."""
    return EDITORS[name].settings.get(kind, USUAL[kind])


def compare(
    job: Job,
    names: Sequence[str],
    prompts: Prompts,
    *,
    guidance: float | None = None,
    strengths: Sequence[float | None] = (None,),
    few_steps: bool = False,
) -> Iterator[Compared]:
    """The job done by each of the named methods, at each strength; what is None is as the method was published.

    `few_steps` says that the model was distilled to them. `prompts` makes the prompts; the job's own are not used. Methods with the same inversion share its
    trajectory. A method that refuses the job says so in its result; the others go on.
    """
    inverted: dict[object, _Inverted] = {}
    for entry in _entries(job, names, strengths, guidance, few_steps):
        try:
            yield _compared(job, entry, prompts, inverted)
        except ValueError as error:
            yield Compared(entry.name, entry.settings, None, refused=str(error))


@dataclass(frozen=True)
class _Inverted:
    trajectory: Trajectory | None
    evaluations: int
    seconds: float


@dataclass(frozen=True)
class _Entry:
    """A method to run, which shares its inversion with others of the same `key`, and its shares of the whole in Progress."""

    name: str
    settings: Settings
    key: object
    before: float
    inverting: float
    editing: float


def _entries(
    job: Job, names: Sequence[str], strengths: Sequence[float | None], guidance: float | None, few_steps: bool
) -> list[_Entry]:
    known: set[object] = set()
    entries, done = [], 0.0
    for name in names:
        for strength in strengths:
            settings, editor = settings_for(name, job.denoiser, few_steps), EDITORS[name]
            settings = replace(
                settings,
                guidance=settings.guidance if guidance is None else guidance,
                source_guidance=settings.source_guidance if guidance is None else guidance,
                strength=settings.strength if strength is None else strength,
            )
            key = _key(editor, settings, job.denoiser.distilled)
            inverting = 0.0 if editor.inversion is None or key in known else INVERTING
            entries.append(_Entry(name, settings, key, done, inverting, OPTIMISING if editor.gradients else EDITING))
            done += entries[-1].inverting + entries[-1].editing
            known.add(key)
    return [replace(e, before=e.before / done, inverting=e.inverting / done, editing=e.editing / done) for e in entries]


def _key(editor: Editor, settings: Settings, distilled: bool) -> object:
    """What the methods that share a trajectory have in common."""
    free = distilled or editor.inversion_guidance is None or settings.source_guidance == 1
    asked = settings.source_guidance if free else None
    return editor.inversion, editor.inversion_guidance, editor.promptless, asked


def _compared(job: Job, entry: _Entry, prompts: Prompts, inverted: dict[object, _Inverted]) -> Compared:
    name, counted = entry.name, Counted(job.denoiser)
    source, target = prompts(entry.settings)
    on_step = within(job.on_step, entry.before, entry.inverting, name)
    own = replace(job, denoiser=counted, source=source, target=target, strength=entry.settings.strength)
    began = time.perf_counter()
    if entry.key not in inverted:
        trajectory = trajectory_for(EDITORS[name], replace(own, on_step=on_step))
        inverted[entry.key] = _Inverted(trajectory, counted.count.evaluations, time.perf_counter() - began)
    start, before, began = inverted[entry.key], counted.count.evaluations, time.perf_counter()
    on_step = within(job.on_step, entry.before + entry.inverting, entry.editing, name)
    edited = run_editor(name, replace(own, on_step=on_step), start.trajectory)
    seconds = start.seconds + time.perf_counter() - began
    return Compared(name, entry.settings, edited, start.evaluations + counted.count.evaluations - before, seconds)
