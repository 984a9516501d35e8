"""What travels on the ATTENTION_EDIT socket: edits before model, grid and prompts are ready, one after another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from ...inversion_core.attention.kept import Storage
from ...inversion_core.attention.technique import Technique
from ...inversion_core.backends.comfy.denoiser import blocks_of, check_alike, check_editable
from ...inversion_core.dial import AS_SET, Turned
from ...inversion_core.prompts.tokens import PromptTokens
from ...inversion_core.techniques.local_blend import mask_blend
from ...inversion_core.techniques.settings import Ground, Setting, nested
from ...inversion_core.types import Cond
from ..kit.common import blend_mask, latent_mask, latent_mask_for
from ..run.prompt_places import Text, placed
from ..sockets import LatentTrajectory


@dataclass(frozen=True)
class Ready:
    """What a plan may use once sampling has begun: the picture, the steps and blocks, its own prompts by name, and the edit's."""

    record: LatentTrajectory
    ground: Ground
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

    def settings(self, ready: Ready) -> Sequence[Setting | Technique]:
        raise NotImplementedError

    def idle(self, ground: Ground) -> list[str]:
        """What of it never acts, as no step lies in its spans."""
        return []

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [value for value in vars(self).values() if isinstance(value, Tensor)]


class SharingPlan(Plan):
    """A plan that shares keys and values: its masks say which, and keep nothing by themselves."""

    def check(self, model: Any, record: LatentTrajectory) -> None:
        super().check(model, record)
        for mask in self._comfy_cache_tensors():
            latent_mask_for(mask, record)


@dataclass(frozen=True)
class Plans:
    """Attention edits in the order of their nodes, and how what they record is kept."""

    plans: tuple[Plan, ...] = ()
    storage: Storage = field(default_factory=Storage)

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
        masks = [blend_mask(region, record.frame) for region in given]
        if mask is None and record.mask is not None:
            masks.append(record.mask)
        blends = [mask_blend(latent_mask(region, record.trajectory.shape)) for region in masks]

        def techniques(prepared: Any) -> list[Technique]:
            if not self.plans:
                return blends
            sigmas, edited = record.trajectory.sigmas, {name: prepared(name) for name in ("source", "target")}
            check_alike(edited["source"].cond, edited["target"].cond, sigmas[:-1].tolist())
            ground, settings = Ground(sigmas, blocks_of(model.model.diffusion_model), turned), []
            for number, plan in enumerate(self.plans):
                ready = Ready(record, ground, lambda name, number=number: prepared(f"{number} {name}"), edited)
                settings += plan.settings(ready)
            return [*nested(settings, ground), *blends]

        return techniques

    def idle(self, record: LatentTrajectory, turned: Turned = AS_SET) -> list[str]:
        """What of the edits never acts."""
        return [line for plan in self.plans for line in plan.idle(Ground(record.trajectory.sigmas, dial=turned))]

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [tensor for plan in self.plans for tensor in plan._comfy_cache_tensors()]


def add_edit(before: Plans | None, plan: Plan) -> Plans:
    """The edits that came in on a node's socket, and the node's own behind them."""
    before = before or Plans()
    return replace(before, plans=(*before.plans, plan))
