"""All methods on one picture, each with what it cost: so that a person can choose by looking."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..edit import Edited
from ..metrics import Counted
from ..trajectory import Trajectory
from ..types import Cond, EditableDenoiser
from . import EDITORS, run_editor
from .job import Job, Settings, trajectory_for

USUAL = {
    "ve": Settings(guidance=7.5, source_guidance=7.5, strength=1.0, steps=50),
    "rf": Settings(guidance=5.0, source_guidance=5.0, strength=1.0, steps=28),
    "distilled": Settings(guidance=3.5, source_guidance=1.0, strength=1.0, steps=28),
}
"""For methods without published settings on a kind of model."""

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


def fitting(denoiser: EditableDenoiser) -> list[str]:
    """The methods that work on a model of this kind."""
    return [
        name
        for name, editor in EDITORS.items()
        if denoiser.path.name in editor.families and not (editor.uncond and denoiser.distilled)
    ]


def settings_for(name: str, denoiser: EditableDenoiser) -> Settings:
    """What a method was published with for this kind of model, or what is usual on it."""
    kind = "distilled" if denoiser.distilled else denoiser.path.name
    return EDITORS[name].settings_for(denoiser) or USUAL[kind]


def compare(
    job: Job,
    names: Sequence[str],
    prompts: Prompts,
    *,
    guidance: float | None = None,
    strengths: Sequence[float | None] = (None,),
) -> Iterator[Compared]:
    """The job done by each of the named methods, at each strength; what is None is as the method was published.

    `prompts` makes the prompts for them; the job's own are not used. Methods with the same inversion share its
    trajectory. A method that refuses the job says so in its result; the others go on.
    """
    inverted: dict[object, _Inverted] = {}
    for name in names:
        for strength in strengths:
            settings = settings_for(name, job.denoiser)
            settings = replace(
                settings,
                guidance=settings.guidance if guidance is None else guidance,
                source_guidance=settings.source_guidance if guidance is None else guidance,
                strength=settings.strength if strength is None else strength,
            )
            try:
                yield _compared(job, name, settings, prompts, inverted)
            except ValueError as error:
                yield Compared(name, settings, None, refused=str(error))


@dataclass(frozen=True)
class _Inverted:
    trajectory: Trajectory | None
    evaluations: int
    seconds: float


def _compared(job: Job, name: str, settings: Settings, prompts: Prompts, inverted: dict[object, _Inverted]) -> Compared:
    editor, counted = EDITORS[name], Counted(job.denoiser)
    source, target = prompts(settings)
    own = replace(job, denoiser=counted, source=source, target=target, strength=settings.strength)
    asked = settings.source_guidance if job.denoiser.distilled or editor.inversion_guidance is None else None
    key = (editor.inversion, editor.inversion_guidance, editor.promptless, asked)
    began = time.perf_counter()
    if key not in inverted:
        trajectory = trajectory_for(editor, own)
        inverted[key] = _Inverted(trajectory, counted.count.evaluations, time.perf_counter() - began)
    start, before, began = inverted[key], counted.count.evaluations, time.perf_counter()
    edited = run_editor(name, own, start.trajectory)
    seconds = start.seconds + time.perf_counter() - began
    return Compared(name, settings, edited, start.evaluations + counted.count.evaluations - before, seconds)
