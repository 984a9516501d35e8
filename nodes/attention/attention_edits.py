"""What travels on the ATTENTION_EDIT socket: edits before model, grid and prompts are ready, one after another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from ...inversion_core.attention.bank import Storage
from ...inversion_core.attention.technique import Technique
from ...inversion_core.backends.comfy.denoiser import check_alike, check_editable
from ...inversion_core.dial import AS_SET, Span, Turned
from ...inversion_core.prompts.tokens import Alignment, PromptTokens
from ...inversion_core.schedules import window
from ...inversion_core.techniques.local_blend import local_blend, mask_blend
from ...inversion_core.techniques.prompt_to_prompt import prompt_to_prompt
from ...inversion_core.types import Cond
from ..kit.common import blend_mask, latent_mask
from ..run.prompt_places import Text, placed
from ..sockets import LatentTrajectory

NO_STEP = "at this strength the window contains no step"


@dataclass(frozen=True)
class Windows:
    """When an edit acts: the picture's noise levels, and the dial."""

    record: LatentTrajectory
    turned: Turned

    def window(self, span: Span) -> Any:
        """Fractions of the steps as noise levels."""
        return window(self.record.trajectory.sigmas, *span)

    def empty(self, span: Span) -> bool:
        """Whether no step lies in the span as the dial turns it."""
        return self.kept(span).low > self.kept(span).high

    def kept(self, span: Span) -> Any:
        """The noise levels at which the source's attention is kept: the span as the dial turns it."""
        return self.window(self.turned.kept(span))


@dataclass(frozen=True)
class Ready(Windows):
    """What a plan may use once sampling has begun: also the model, the plan's own prompts by name, and the edit's."""

    model: Any
    prompt: Callable[[str], Cond]
    edited: Mapping[str, Cond]

    def placed(self, source: Text, target: Text) -> tuple[list[PromptTokens], list[PromptTokens]]:
        """The words of two texts in each part of the edit's prompts. Raises as `prompt_places.placed`."""
        return placed(source, self.edited["source"].cond, "source"), placed(
            target, self.edited["target"].cond, "target"
        )


class Plan:
    """One attention edit before it is known what it will meet.

    `prompts` are the CONDITIONINGs that it brings, by name; outside each of `masks`, MASKs of the picture's size, the
    source is kept. `check` raises ValueError, before anything runs, if the edit fits neither model nor picture.
    """

    @property
    def prompts(self) -> Mapping[str, Any]:
        return {}

    @property
    def masks(self) -> Sequence[Tensor]:
        return []

    def check(self, model: Any, record: LatentTrajectory) -> None:
        check_editable(model.model.diffusion_model)

    def techniques(self, ready: Ready) -> list[Technique]:
        raise NotImplementedError

    def idle(self, windows: Windows) -> list[str]:
        """What of it never acts, as no step lies in its windows."""
        return []

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [value for value in vars(self).values() if isinstance(value, Tensor)]


@dataclass(frozen=True)
class Plans:
    """Attention edits, the first outermost, and how what they record is kept."""

    plans: tuple[Plan, ...] = ()
    storage: Storage = field(default_factory=Storage)

    def then(self, plan: Plan) -> "Plans":
        """These, and `plan` inside them."""
        return replace(self, plans=(*self.plans, plan))

    @property
    def prompts(self) -> dict[str, Any]:
        """All CONDITIONINGs, under names of their own."""
        return {
            f"{number} {name}": entry for number, plan in enumerate(self.plans) for name, entry in plan.prompts.items()
        }

    def ready(
        self, model: Any, record: LatentTrajectory, mask: Tensor | None, turned: Turned = AS_SET
    ) -> Callable[[Any], list[Technique]]:
        """Makes the techniques of prepared prompts; `mask` goes before the one that came with the picture. Raises as `Plan.check`."""
        for plan in self.plans:
            plan.check(model, record)
        given = [m for m in (mask, *(m for plan in self.plans for m in plan.masks)) if m is not None]
        masks = [blend_mask(one, record.frame) for one in given]
        if mask is None and record.mask is not None:
            masks.append(record.mask)
        blends = [mask_blend(latent_mask(one, record.trajectory.shape)) for one in masks]

        def techniques(prepared: Any) -> list[Technique]:
            if not self.plans:
                return blends
            made, edited = [], {name: prepared(name) for name in ("source", "target")}
            check_alike(edited["source"].cond, edited["target"].cond, record.trajectory.sigmas[:-1].tolist())
            for number, plan in enumerate(self.plans):
                own = Ready(record, turned, model, lambda name, number=number: prepared(f"{number} {name}"), edited)
                made += plan.techniques(own)
            return [*made, *blends]

        return techniques

    def idle(self, record: LatentTrajectory, turned: Turned = AS_SET) -> list[str]:
        """What of the edits never acts."""
        return [line for plan in self.plans for line in plan.idle(Windows(record, turned))]

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [tensor for plan in self.plans for tensor in plan._comfy_cache_tensors()]


def after(before: Plans | None, plan: Plan) -> Plans:
    """A node's edit, inside those that came in on its socket."""
    return (before or Plans()).then(plan)


@dataclass(frozen=True)
class BlendWords:
    """The words whose attention shows where an edit may act."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    span: Span
    threshold: float


@dataclass(frozen=True)
class AttentionPlan(Plan):
    """An attention edit before the sigma grid is known; without `inject` the words only say where the edit may act."""

    source: Text
    target: Text
    align: Callable[[PromptTokens, PromptTokens], Alignment]
    inject: bool
    cross: Span
    self_attention: Span
    weights: Mapping[str, float]
    blend: BlendWords | None = None
    mask: Tensor | None = None

    @property
    def masks(self) -> Sequence[Tensor]:
        return [] if self.mask is None else [self.mask]

    def check(self, model: Any, record: LatentTrajectory) -> None:
        if self.inject or self.blend is not None:
            super().check(model, record)

    def idle(self, windows: Windows) -> list[str]:
        if not self.inject:
            return []
        if self.weights and windows.empty(self.cross):
            return [f"The word weights of Attention Edit do not act: {NO_STEP} of cross_end."]
        if windows.empty(self.cross) and windows.empty(self.self_attention):
            return [f"Attention Edit takes no attention from the source: {NO_STEP} of cross_end and self_end."]
        return []

    def techniques(self, ready: Ready) -> list[Technique]:
        if not self.inject and self.blend is None:
            return []
        made, (source, target) = [], ready.placed(self.source, self.target)
        if self.inject:
            alignments = [self.align(*pair) for pair in zip(source, target, strict=True)]
            cross, self_attention = ready.kept(self.cross), ready.kept(self.self_attention)
            made.append(prompt_to_prompt(alignments, cross=cross, self_attention=self_attention, weights=self.weights))
        if self.blend is not None:
            words = self.blend
            made.append(
                local_blend(
                    source,
                    target,
                    source_words=words.source,
                    target_words=words.target,
                    active=ready.window(words.span),
                    threshold=words.threshold,
                )
            )
        return made

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [*self.source.embeddings, *self.target.embeddings, *self.masks]
