"""What a person sets about an edit's attention, in fractions of the steps and of the depth, and the techniques that it means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from ..attention.blocks import blocks_between, in_blocks
from ..attention.maps import legible
from ..attention.site import Site
from ..attention.technique import Technique
from ..dial import AS_SET, Span, Turned
from ..prompts.tokens import Alignment, Parts, PromptTokens, align_refine, parts_of
from ..schedules import window
from ..shapes import LatentMask, Sigmas
from ..types import SigmaRange
from . import local_blend, masactrl, plug_and_play
from .kv_edit import kv_edit
from .presets import Preset
from .prompt_to_prompt import CROSS_END, SELF_END, prompt_to_prompt

WHOLE = (0.0, 1.0)  # from the first step to the last


@dataclass(frozen=True)
class Ground:
    """What settings become techniques on: the noise levels of the edit, the blocks of the network, and the dial's place."""

    sigmas: Sigmas
    blocks: Sequence[str] = ()
    dial: Turned = AS_SET

    def window(self, span: Span) -> SigmaRange:
        """The noise levels of a span of the steps."""
        return window(self.sigmas, *span)

    def kept(self, span: Span) -> SigmaRange:
        """The noise levels at which the source's attention is kept: the span as the dial turns it."""
        return self.window(self.dial.kept(span))

    def keeps_none(self, span: Span) -> bool:
        """Whether no step lies in the span as the dial turns it."""
        return self.kept(span).low > self.kept(span).high


@runtime_checkable
class Setting(Protocol):
    """A person's settings of one kind of edit."""

    def techniques(self, ground: Ground) -> list[Technique]: ...


def nested(settings: Sequence[Setting | Technique], ground: Ground) -> list[Technique]:
    """The techniques of all settings, the first outermost.

    KV-Edit lies outside of all. What brings other keys and values lies outside of what splits values, and the later it was
    given the further: it brings them to all that was there. The others stay in order. (What only reads attention lies
    outside of these wherever it is given: `EditedCall`.)
    """
    outside = [s for s in reversed(settings) if isinstance(s, KVEdit)]
    bringing = [s for s in reversed(settings) if isinstance(s, MutualAttention | KVInjection)]
    inside = [s for s in settings if not isinstance(s, KVEdit | MutualAttention | KVInjection)]
    parts = ([s] if isinstance(s, Technique) else s.techniques(ground) for s in (*outside, *bringing, *inside))
    return [technique for part in parts for technique in part]


@dataclass(frozen=True)
class WordPair:
    """Words of the source prompt and of the target prompt that name the same thing in their pictures."""

    source: Parts
    target: Parts
    source_words: Sequence[str]
    target_words: Sequence[str]


@dataclass(frozen=True)
class PromptToPrompt:
    """Attention from the source in two spans of the steps: to the words of both prompts, and of the picture to itself."""

    source: Parts
    target: Parts
    align: Callable[[PromptTokens, PromptTokens], Alignment] = align_refine
    cross: Span = (0.0, CROSS_END)
    self_attention: Span = (0.0, SELF_END)
    weights: Mapping[str, float] = field(default_factory=dict)

    def techniques(self, ground: Ground) -> list[Technique]:
        pairs = zip(parts_of(self.source), parts_of(self.target), strict=True)
        alignments = [self.align(source, target) for source, target in pairs]
        cross, self_attention = ground.kept(self.cross), ground.kept(self.self_attention)
        return [prompt_to_prompt(alignments, cross=cross, self_attention=self_attention, weights=self.weights)]


@dataclass(frozen=True)
class LocalBlend:
    """The source outside the region of words, which are read at the sites of `where`; the dial does not turn its span."""

    words: WordPair
    span: Span = (local_blend.START, 1.0)
    threshold: float = local_blend.THRESHOLD
    where: Callable[[Site], bool] = legible

    def techniques(self, ground: Ground) -> list[Technique]:
        active = ground.window(self.span)
        return [local_blend.local_blend(**vars(self.words), active=active, threshold=self.threshold, where=self.where)]


@dataclass(frozen=True)
class MutualAttention:
    """MasaCtrl from the fraction `depth` of the network on; its foregrounds are masks, or the regions of `words`."""

    span: Span = (masactrl.START, 1.0)
    depth: float = masactrl.DEPTH
    source_mask: LatentMask | None = None
    target_mask: LatentMask | None = None
    words: WordPair | None = None

    def techniques(self, ground: Ground) -> list[Technique]:
        where, active = in_blocks(blocks_between(ground.blocks, self.depth)), ground.kept(self.span)
        if self.words is not None:
            return masactrl.masactrl_by_words(**vars(self.words), where=where, active=active)
        masks = {"source_mask": self.source_mask, "target_mask": self.target_mask}
        return [masactrl.masactrl(where=where, active=active, **masks)]


@dataclass(frozen=True)
class KVInjection:
    """Keys and values of the source as a preset says, outside of a mask."""

    preset: Preset
    mask: LatentMask | None = None

    def techniques(self, ground: Ground) -> list[Technique]:
        return self.preset.techniques(ground.kept(self.preset.span), self.mask)


@dataclass(frozen=True)
class KVEdit:
    """A region made anew; the dial does not turn how long it sees the source's background."""

    mask: LatentMask
    span: Span = WHOLE

    def techniques(self, ground: Ground) -> list[Technique]:
        return [kv_edit(self.mask, active=ground.window(self.span))]


@dataclass(frozen=True)
class PlugAndPlay:
    """Features and self-attention of the source's decoder, up to a fraction of the steps each, from `layer` on."""

    feature_end: float = plug_and_play.FEATURE_END
    attention_end: float = plug_and_play.ATTENTION_END
    layer: int = plug_and_play.LAYER

    def techniques(self, ground: Ground) -> list[Technique]:
        spans = ground.kept((0.0, self.feature_end)), ground.kept((0.0, self.attention_end))
        return plug_and_play.plug_and_play(features=spans[0], attention=spans[1], layer=self.layer)
