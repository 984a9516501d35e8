"""What the nodes that share keys and values mean, before model and grid are known."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ...inversion_core.attention.blocks import between, within
from ...inversion_core.attention.technique import Technique
from ...inversion_core.backends.comfy.denoiser import blocks_of
from ...inversion_core.dial import Span
from ...inversion_core.techniques.injection import inject_keys_values, inject_values
from ...inversion_core.techniques.kv_edit import kv_edit
from ...inversion_core.techniques.masactrl import masactrl, masactrl_by_words
from ...inversion_core.techniques.presets import PRESETS, Preset, by_depth, preset_for
from ..kit.common import fitted
from ..run.prompt_places import Text
from ..sockets import LatentTrajectory
from .attention_edits import Plan, Plans, Ready

INJECTIONS = {"values": inject_values, "keys and values": inject_keys_values}


@dataclass(frozen=True)
class Words:
    """The words that name the foreground, and the texts that they are of."""

    source: Text
    target: Text
    source_words: tuple[str, ...]
    target_words: tuple[str, ...]


class Sharing(Plan):
    """What the three plans have in common: their masks say what is shared, and keep nothing by themselves."""

    def check(self, model: Any, record: LatentTrajectory) -> None:
        super().check(model, record)
        for mask in self._comfy_cache_tensors():
            fitted(mask, record)


@dataclass(frozen=True)
class MutualAttention(Sharing):
    """MasaCtrl in a span of the steps, from a share of the depth on."""

    span: Span
    depth: float
    source_mask: Tensor | None = None
    target_mask: Tensor | None = None
    words: Words | None = None

    def check(self, model: Any, record: LatentTrajectory) -> None:
        super().check(model, record)
        if self.target_mask is not None and self.source_mask is None:
            raise ValueError(
                "MasaCtrl got a target mask without a source mask. Connect a source mask; if there is only one mask, connect that mask "
                "as the source mask."
            )
        if self.words is not None and self.source_mask is not None:
            raise ValueError("MasaCtrl got its foreground from both masks and words. Use masks or words, not both.")

    def techniques(self, ready: Ready) -> list[Technique]:
        names = blocks_of(ready.model.model.diffusion_model)
        options = {"where": within(between(names, self.depth)), "active": ready.kept(self.span)}
        if self.words is not None:
            named = {"source_words": self.words.source_words, "target_words": self.words.target_words}
            return masactrl_by_words(*ready.placed(self.words.source, self.words.target), **named, **options)
        masks = (self.source_mask, self.target_mask)
        source, target = (None if mask is None else fitted(mask, ready.record) for mask in masks)
        return [masactrl(**options, source_mask=source, target_mask=target)]


@dataclass(frozen=True)
class KVInjection(Sharing):
    """Injection by a preset's name, or into a share of the depth in a span of the steps."""

    preset: str
    inject: str
    depth: Span
    span: Span
    mask: Tensor | None = None

    def check(self, model: Any, record: LatentTrajectory) -> None:
        super().check(model, record)
        self.chosen(model)

    def chosen(self, model: Any) -> Preset:
        """The preset for this model. Raises ValueError if it has other blocks, or none lies in the depth."""
        names = blocks_of(model.model.diffusion_model)
        if self.preset in PRESETS:
            PRESETS[self.preset].check(names)
            return PRESETS[self.preset]
        if self.preset == "auto":
            return preset_for(names, masked=self.mask is not None)
        start, end = self.depth
        return by_depth(names, INJECTIONS[self.inject], start=start, end=end, span=self.span)

    def techniques(self, ready: Ready) -> list[Technique]:
        preset = self.chosen(ready.model)
        mask = None if self.mask is None else fitted(self.mask, ready.record)
        return preset.techniques(ready.kept(preset.span), mask)


@dataclass(frozen=True)
class KVEdit(Sharing):
    """KV-Edit of a region."""

    mask: Tensor
    span: Span

    def check(self, model: Any, record: LatentTrajectory) -> None:
        super().check(model, record)
        if bool((self.mask >= 1).all()):
            raise ValueError(
                "The KV-Edit mask covers the whole image, so no background is left to keep. Paint only the region that may change, "
                "or remove KV-Edit."
            )

    def techniques(self, ready: Ready) -> list[Technique]:
        return [kv_edit(fitted(self.mask, ready.record), active=ready.window(self.span))]


def outside(inner: Plans | None, plan: Sharing) -> Plans:
    """A node's edit, outside those that came in on its socket: it gives them the keys and values. KV-Edit is outside of all."""
    inner = inner or Plans()
    first = [one for one in inner.plans if isinstance(one, KVEdit) and not isinstance(plan, KVEdit)]
    rest = inner.plans if isinstance(plan, KVEdit) else [one for one in inner.plans if not isinstance(one, KVEdit)]
    return replace(inner, plans=(*first, plan, *rest))
