"""An edit by the method's name, run inside ComfyUI's sampling."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ..inversion_core.attention.local_blend import mask_blend
from ..inversion_core.attention.site import Technique
from ..inversion_core.backends.comfy import check_editable, latent_of, run
from ..inversion_core.edit import Edited
from ..inversion_core.editors import EDITORS, Job, run_editor
from ..inversion_core.editors.compare import settings_for
from ..inversion_core.editors.job import Settings
from ..inversion_core.trajectory import Trajectory
from ..inversion_core.types import Cond
from .common import blend_mask, check_model, check_unconditional, frame_of, latent_mask, reporter
from .invert import decreasing, scale_of
from .sockets import AttentionPlan, LatentTrajectory, Scale


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
    plan: AttentionPlan | None = None,
    mask: Tensor | None = None,
) -> Edited:
    """The edit along a trajectory. Raises ValueError if model, trajectory, method or masks do not fit each other."""
    check_model(record, model)
    techniques, trajectory = techniques_of(model, record, plan, mask), record.trajectory
    return _run(model, record.samples(trajectory.xs[-1]), trajectory.sigmas, prompts, request, trajectory, techniques)


def edit_without(
    model: Any, latent: dict[str, Any], prompts: dict[str, Any], request: Request, steps: int, scheduler: str
) -> dict[str, Any]:
    """The LATENT of an edit that needs no inversion. Raises ValueError if the model, the grid or the method does not fit."""
    frame, samples, sigmas = frame_of(latent), latent_of(model, latent["samples"]), decreasing(model, scheduler, steps)
    edited = _run(model, samples, sigmas, prompts, request, None, [])
    return Scale(*scale_of(model, samples), frame).latent(edited.target)


def techniques_of(
    model: Any, record: LatentTrajectory, plan: AttentionPlan | None, mask: Tensor | None
) -> list[Technique]:
    """The attention edit and the masks as techniques of the core. Raises ValueError if they fit neither model nor picture."""
    shape = record.trajectory.shape
    made = plan.techniques(record.trajectory.sigmas) if plan else []
    masks = [blend_mask(m, record.frame) for m in (mask, plan and plan.mask) if m is not None]
    if mask is None and record.mask is not None:
        masks.append(record.mask)
    if any(technique.record or technique.inject for technique in made):
        check_editable(model.model.diffusion_model)
    return [*made, *(mask_blend(latent_mask(one, shape)) for one in masks)]


def _run(
    model: Any,
    samples: Tensor,
    sigmas: Tensor,
    prompts: dict[str, Any],
    request: Request,
    trajectory: Trajectory | None,
    techniques: list[Technique],
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
            techniques=tuple(techniques),
            seed=request.seed,
            on_step=reporter(model),
        )
        return run_editor(request.method, job, trajectory)

    return run(model, prompts, samples, sigmas, body, gradients=EDITORS[request.method].gradients)


def cond_of(denoiser: Any, prepared: Any, name: str, guidance: float) -> Cond:
    """The prompt under guidance; a distilled model has its guidance in the prompt."""
    return prepared(name) if denoiser.distilled else prepared(name, "negative", guidance)
