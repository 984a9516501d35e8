"""An edit by the method's name, run inside ComfyUI's sampling."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from torch import Tensor

from ...inversion_core.attention.technique import Technique
from ...inversion_core.editors import EDITORS, Job, run_editor
from ...inversion_core.editors.compare import settings_for
from ...inversion_core.editors.job import Settings, WrongInversion
from ...inversion_core.loops.edit import Edited
from ...inversion_core.loops.memory import Memory
from ...inversion_core.trajectory import Trajectory
from ...inversion_core.types import Cond
from ..attention.attention_edits import Plans
from ..attention.bank_memory import memory_of
from ..inverting.ddim_invert import decreasing, scale_of
from ..inverting.invert_methods import InversionExactInvert, InversionRFInvert, InversionStochasticInvert
from ..kit.common import check_model, check_unconditional
from ..kit.latents import taken
from ..kit.remarks import of_prompts, of_result, of_strength
from ..run.control_hints import framed
from ..run.guidance import GUIDANCE, acting
from ..run.progress import reporter, run
from ..sockets import LatentTrajectory, Scale

Tell: TypeAlias = Callable[[str], None]


def unheard(words: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class Request:
    """A method and its settings; those that are None are the published ones."""

    method: str
    seed: int = 0
    guidance: float | None = None
    source_guidance: float | None = None
    strength: float | None = None
    few_steps: bool = False

    def settings(self, denoiser: Any, trajectory: Trajectory | None = None) -> Settings:
        """All settings, for this kind of model; a scheme that is exact under one guidance alone has its trajectory's for the source."""
        own = {name: getattr(self, name) for name in ("guidance", "source_guidance", "strength")}
        if denoiser.distilled and self.guidance == GUIDANCE:
            own["guidance"] = None
        if trajectory is not None and self.source_guidance is None and EDITORS[self.method].inversion_guidance is None:
            own["source_guidance"] = trajectory.provenance.guidance
        usual = settings_for(self.method, denoiser, self.few_steps)
        return replace(usual, **{n: v for n, v in own.items() if v is not None})

    def numbers(self, settings: Settings, trajectory: Trajectory | None) -> dict[str, tuple[float, bool]]:
        """The guidance of each prompt, and whether what the prompt brings goes before it: not before a published number,
        but along a trajectory the source is as it was inverted."""
        own = self.guidance is not None
        return {"source": (settings.source_guidance, own or trajectory is not None), "target": (settings.guidance, own)}


def edit_along(
    model: Any,
    record: LatentTrajectory,
    prompts: dict[str, Any],
    request: Request,
    plans: Plans | None = None,
    mask: Tensor | None = None,
    tell: Tell = unheard,
) -> Edited:
    """The edit along a trajectory; `tell` hears its settings, and what memory its attention takes.

    Raises BankTooLarge if that is not there, and ValueError if model, trajectory, method or masks do not fit each other.
    """
    check_model(record, model, prompts["source"])
    plans, trajectory = plans or Plans(), record.trajectory
    samples, techniques = record.samples(trajectory.xs[-1]), plans.ready(model, record, mask)
    prompts = framed(prompts | plans.prompts, record.frame)
    memory = memory_of(plans, tell)
    for line in plans.idle(record):
        tell(line)
    try:
        return _run(model, samples, trajectory.sigmas, prompts, request, trajectory, techniques, tell, memory)
    except WrongInversion as error:
        raise ValueError(f"{error} Use {inverting(error.inversion)} for that.") from error


def inverting(inversion: str) -> str:
    """The node that inverts by a method of that name."""
    others = (InversionExactInvert, InversionStochasticInvert, InversionRFInvert)
    return next((node.DISPLAY_NAME for node in others if inversion in node.METHODS), "DDIM Invert")


def edit_without(
    model: Any,
    latent: dict[str, Any],
    prompts: dict[str, Any],
    request: Request,
    steps: int,
    scheduler: str,
    tell: Tell = unheard,
) -> dict[str, Any]:
    """The LATENT of an edit that needs no inversion. Raises ValueError if the model, the grid or the method does not fit."""
    (frame, samples), sigmas = taken(model, latent), decreasing(model, scheduler, steps)
    edited = _run(model, samples, sigmas, framed(prompts, frame), request, None, lambda prepared: [], tell)
    for line in of_result(edited.target, edited.source[-1]):
        tell(line)
    return Scale(*scale_of(model, samples), frame).latent(edited.target)


def _run(
    model: Any,
    samples: Tensor,
    sigmas: Tensor,
    prompts: dict[str, Any],
    request: Request,
    trajectory: Trajectory | None,
    techniques: Callable[[Any], list[Technique]],
    tell: Tell,
    memory: Memory | None = None,
) -> Edited:
    if EDITORS[request.method].uncond:
        check_unconditional(model, f"The method '{request.method}'", few_steps=request.few_steps)

    def body(denoiser: Any, x: Tensor, prepared: Any) -> Edited:
        settings = request.settings(denoiser, trajectory)
        numbers = request.numbers(settings, trajectory)
        remarks = [*of_prompts(prompts), *of_strength(1 - settings.strength, len(sigmas) - 1)]
        for line in (*told(request, settings, trajectory), *acting(model, prompts, numbers), *remarks):
            tell(line)
        job = Job(
            denoiser,
            x if trajectory is None else trajectory.xs[-1],
            sigmas,
            *(cond_of(prepared, name, *number, few_steps=request.few_steps) for name, number in numbers.items()),
            strength=settings.strength,
            techniques=tuple(techniques(prepared)),
            seed=request.seed,
            memory=memory,
            on_step=reporter(model),
        )
        return run_editor(request.method, job, trajectory)

    return run(model, prompts, samples, sigmas, body, gradients=EDITORS[request.method].gradients)


def cond_of(prepared: Any, name: str, guidance: float, own: bool = False, few_steps: bool = False) -> Cond:
    """The prompt under guidance, which goes before what the prompt brings unless `own`; a few-step model has no negative prompt."""
    cond = prepared(name, "negative", guidance, own)
    return cond.alone() if few_steps and not cond.guided else cond


def told(request: Request, settings: Settings, trajectory: Trajectory | None) -> list[str]:
    """The settings that act, and a trajectory of another inversion than the method was published with."""
    numbers = (
        f"guidance {settings.guidance:g}, source guidance {settings.source_guidance:g}, strength {settings.strength:g}"
    )
    own, made = EDITORS[request.method].inversion, trajectory.provenance.method if trajectory else None
    if own in (None, "ddim", made):
        return [f"{request.method}: {numbers}"]
    foreign = f"{request.method} was published along the inversion '{own}' of {inverting(own)}, but this trajectory is of '{made}'."
    return [f"{request.method}: {numbers}", foreign]
