"""What travels on the ATTENTION_EDIT socket: edits before model, grid and prompts are ready, one after another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from torch import Tensor

from ...inversion_core.attention.kept import Storage
from ...inversion_core.attention.technique import Technique
from ...inversion_core.backends.comfy.attention import blocks_of, check_editable
from ...inversion_core.backends.comfy.entries import check_alike
from ...inversion_core.dial import AS_SET, Turned
from ...inversion_core.prompts.tokens import PromptTokens
from ...inversion_core.techniques.local_blend import mask_blend
from ...inversion_core.techniques.settings import Ground, Setting, Steps, nested
from ...inversion_core.types import Cond
from ..kit.common import blend_mask, latent_mask, latent_mask_for
from ..run.prompt_places import Text, placed
from ..sockets import LatentTrajectory


@dataclass(frozen=True)
class Ready:
    """What a plan may use once sampling has begun: the picture's trajectory, and the plan's own prompts by name."""

    record: LatentTrajectory
    prompt: Callable[[str], Cond]


class Plan:
    """One attention edit before it is known what it will meet.

    `texts` are what its words are of, `prompts` the CONDITIONINGs that it brings, by name; outside each of `masks`, MASKs
    of the picture's size, the source is kept. `check` raises ValueError, before anything runs, if the edit fits neither model nor picture.
    """

    texts: tuple[Text, Text] | None = None

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

    def idle(self, steps: Steps) -> list[str]:
        """What of it never acts, as no step lies in its spans."""
        return []

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [value for value in vars(self).values() if isinstance(value, Tensor)]


@dataclass(frozen=True)
class SettingPlan(Plan):
    """One setting of the core: its masks say what it acts on, and keep nothing by themselves; its words are of `texts`."""

    setting: Setting
    texts: tuple[Text, Text] | None = None

    def check(self, model: Any, record: LatentTrajectory) -> None:
        super().check(model, record)
        for mask in self._comfy_cache_tensors():
            latent_mask_for(mask, record)

    def settings(self, ready: Ready) -> list[Setting]:
        return [self.setting]

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [value for value in vars(self.setting).values() if isinstance(value, Tensor)]


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
            sigmas, edited = record.trajectory.sigmas, [prepared(name).cond for name in ("source", "target")]
            check_alike(*edited, sigmas[:-1].tolist())
            blocks, fit, settings = blocks_of(model.model.diffusion_model), partial(latent_mask_for, record=record), []
            for number, plan in enumerate(self.plans):
                ground = Ground(sigmas, turned, blocks, cache(partial(words_of, plan.texts, edited)), fit)
                ready = Ready(record, lambda name, number=number: prepared(f"{number} {name}"))
                settings += [(setting, ground) for setting in plan.settings(ready)]
            return [*nested(settings), *blends]

        return techniques

    def idle(self, record: LatentTrajectory, turned: Turned = AS_SET) -> list[str]:
        """What of the edits never acts."""
        return [line for plan in self.plans for line in plan.idle(Steps(record.trajectory.sigmas, turned))]

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [tensor for plan in self.plans for tensor in plan._comfy_cache_tensors()]


def words_of(texts: tuple[Text, Text], edited: Sequence[Any]) -> tuple[list[PromptTokens], list[PromptTokens]]:
    """The words of both texts in each part of the edit's prompts. Raises as `placed`."""
    return placed(texts[0], edited[0], "source"), placed(texts[1], edited[1], "target")


def add_edit(before: Plans | None, plan: Plan) -> Plans:
    """The edits that came in on a node's socket, and the node's own behind them."""
    before = before or Plans()
    return replace(before, plans=(*before.plans, plan))
