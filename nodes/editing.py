"""An edit by the method's name, run inside ComfyUI's sampling."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ..inversion_core.attention.site import Technique
from ..inversion_core.edit import Edited
from ..inversion_core.editors import EDITORS, Job, run_editor
from ..inversion_core.editors.compare import settings_for
from ..inversion_core.editors.job import Settings, WrongInversion
from ..inversion_core.memory import Memory
from ..inversion_core.trajectory import Trajectory
from ..inversion_core.types import Cond
from .common import check_model, check_unconditional
from .hints import framed
from .invert import decreasing, scale_of
from .invert_methods import InversionExactInvert, InversionRFInvert, InversionStochasticInvert
from .latents import taken
from .memory import memory_of
from .plans import Plans
from .progress import reporter, run
from .sockets import LatentTrajectory, Scale


@dataclass(frozen=True)
class Request:
    """A method and its settings; those that are None are the published ones."""

    method: str
    seed: int = 0
    guidance: float | None = None
    source_guidance: float | None = None
    strength: float | None = None

    def settings(self, denoiser: Any) -> Settings:
        """All settings, for this kind of model."""
        own = {name: getattr(self, name) for name in ("guidance", "source_guidance", "strength")}
        return replace(settings_for(self.method, denoiser), **{n: v for n, v in own.items() if v is not None})


def edit_along(
    model: Any,
    record: LatentTrajectory,
    prompts: dict[str, Any],
    request: Request,
    plans: Plans | None = None,
    mask: Tensor | None = None,
    tell: Callable[[str], None] = lambda words: None,
) -> Edited:
    """The edit along a trajectory; `tell` hears what memory its attention takes.

    Raises BankTooLarge if that is not there, and ValueError if model, trajectory, method or masks do not fit each other.
    """
    check_model(record, model)
    plans, trajectory = plans or Plans(), record.trajectory
    samples, techniques = record.samples(trajectory.xs[-1]), plans.ready(model, record, mask)
    prompts = framed(prompts | plans.prompts, record.frame)
    memory = memory_of(plans, tell)
    try:
        return _run(model, samples, trajectory.sigmas, prompts, request, trajectory, techniques, memory)
    except WrongInversion as error:
        raise ValueError(f"{error} That is a method of {inverting(error.inversion)}.") from error


def inverting(inversion: str) -> str:
    """The node that inverts by a method of that name."""
    others = (InversionExactInvert, InversionStochasticInvert, InversionRFInvert)
    return next((node.DISPLAY_NAME for node in others if inversion in node.METHODS), "DDIM Invert")


def edit_without(
    model: Any, latent: dict[str, Any], prompts: dict[str, Any], request: Request, steps: int, scheduler: str
) -> dict[str, Any]:
    """The LATENT of an edit that needs no inversion. Raises ValueError if the model, the grid or the method does not fit."""
    (frame, samples), sigmas = taken(model, latent), decreasing(model, scheduler, steps)
    edited = _run(model, samples, sigmas, framed(prompts, frame), request, None, lambda prepared: [])
    return Scale(*scale_of(model, samples), frame).latent(edited.target)


def _run(
    model: Any,
    samples: Tensor,
    sigmas: Tensor,
    prompts: dict[str, Any],
    request: Request,
    trajectory: Trajectory | None,
    techniques: Callable[[Any], list[Technique]],
    memory: Memory | None = None,
) -> Edited:
    if EDITORS[request.method].uncond:
        check_unconditional(model, f"The method '{request.method}'")

    def body(denoiser: Any, x: Tensor, prepared: Any) -> Edited:
        settings = request.settings(denoiser)
        guidance = {"source": settings.source_guidance, "target": settings.guidance}
        source, target = (cond_of(denoiser, prepared, name, guidance[name]) for name in ("source", "target"))
        clean = x if trajectory is None else trajectory.xs[-1]
        job = Job(
            denoiser,
            clean,
            sigmas,
            source,
            target,
            strength=settings.strength,
            techniques=tuple(techniques(prepared)),
            seed=request.seed,
            memory=memory,
            on_step=reporter(model),
        )
        return run_editor(request.method, job, trajectory)

    return run(model, prompts, samples, sigmas, body, gradients=EDITORS[request.method].gradients)


def cond_of(denoiser: Any, prepared: Any, name: str, guidance: float) -> Cond:
    """The prompt under guidance; a distilled model has its guidance in the prompt."""
    return prepared(name) if denoiser.distilled else prepared(name, "negative", guidance)
