"""All methods on one picture, each with what it cost: so that a person can choose by looking."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..loops.edit import Edited
from ..methods import EDITORS, EditJob, Editor, Settings
from ..progress import within
from ..quality.metrics import Counted
from ..shapes import Latent
from ..trajectory import Trajectory
from ..types import Cond, EditableDenoiser
from .prompt_likelihood import prompt_errors

# Roughly how long the parts of a method take.
INVERTING, EDITING = 1.0, 2.0
OPTIMISING = 20.0  # an edit that differentiates the network

Prompts = Callable[[Settings], tuple[Cond, Cond]]
"""The source's and the target's prompt under the guidance of the settings."""


@dataclass(frozen=True)
class Compared:
    """One method's edit, or why there is none. Evaluations and seconds count its inversion, once per kind of inversion.

    `likelier` is by how much of its error the model finds the target prompt likelier than the source prompt of what came
    out, if it was asked.
    """

    name: str
    settings: Settings
    edited: Edited | None
    evaluations: int = 0
    seconds: float = 0.0
    refused: str = ""
    likelier: float = 0.0


def fitting(denoiser: EditableDenoiser, few_steps: bool = False) -> list[str]:
    """The methods that work on a model of this kind; where guidance or steps are distilled, without an unconditional branch."""
    alone = denoiser.distilled or few_steps
    return [name for name, editor in EDITORS.items() if not (editor.uncond and alone)]


def compare(
    job: EditJob,
    names: Sequence[str],
    prompts: Prompts,
    *,
    guidance: float | None = None,
    usual: float | None = None,
    strengths: Sequence[float | None] = (None,),
    few_steps: bool = False,
    likelihood: bool = False,
) -> Iterator[Compared]:
    """The job done by each of the named methods, at each strength; what is None is as the method was published.

    `usual` is the model's own guidance, for methods that were published with none. `few_steps` says that the model was
    distilled to them. With `likelihood` the model is asked for `Compared.likelier`. `prompts` makes the prompts; the job's
    own are not used. Methods with the same inversion share its trajectory. A method that refuses the job says so in its
    result; the others go on.
    """
    inverted: dict[object, _Inverted] = {}
    for entry in _entries(job, names, strengths, guidance, usual, few_steps):
        try:
            yield _compared(job, entry, prompts, inverted, likelihood)
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
    job: EditJob,
    names: Sequence[str],
    strengths: Sequence[float | None],
    guidance: float | None,
    usual: float | None,
    few_steps: bool,
) -> list[_Entry]:
    known: set[object] = set()
    entries, done = [], 0.0
    for name in names:
        for strength in strengths:
            editor = EDITORS[name]
            settings = editor.settings_on(job.denoiser, few_steps, usual)
            if guidance is not None:
                settings = replace(settings, guidance=guidance, source_guidance=guidance)
            if strength is not None:
                settings = replace(settings, strength=strength)
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


def _compared(
    job: EditJob, entry: _Entry, prompts: Prompts, inverted: dict[object, _Inverted], likelihood: bool
) -> Compared:
    name, counted = entry.name, Counted(job.denoiser)
    source, target = prompts(entry.settings)
    on_step = within(job.on_step, entry.before, entry.inverting, name)
    own = replace(job, denoiser=counted, source=source, target=target, strength=entry.settings.strength)
    began = time.perf_counter()
    if entry.key not in inverted:
        trajectory = EDITORS[name].invert(replace(own, on_step=on_step))
        inverted[entry.key] = _Inverted(trajectory, counted.count.evaluations, time.perf_counter() - began)
    start, before, began = inverted[entry.key], counted.count.evaluations, time.perf_counter()
    on_step = within(job.on_step, entry.before + entry.inverting, entry.editing, name)
    edited = EDITORS[name].edit(replace(own, on_step=on_step), start.trajectory)
    seconds = start.seconds + time.perf_counter() - began
    spent = start.evaluations + counted.count.evaluations - before
    likelier = _likelier(job, edited.target, (source, target)) if likelihood else 0.0
    return Compared(name, entry.settings, edited, spent, seconds, likelier=likelier)


def _likelier(job: EditJob, edited: Latent, prompts: Sequence[Cond]) -> float:
    """Of the first picture, as a share of its mean error."""
    errors = prompt_errors(job.denoiser, edited[:1], job.sigmas, prompts)[0]
    return float((errors[0] - errors[1]) / errors.mean())
