"""What a person sets about an edit's attention, in fractions of the steps and of the depth, and the techniques that it means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

from ..attention.blocks import blocks_between, in_blocks
from ..attention.maps import legible
from ..attention.site import Site
from ..attention.technique import Technique
from ..dial import Span, Turned
from ..prompts.tokens import Alignment, Parts, PromptTokens, align_refine, parts_of
from ..schedules import window
from ..shapes import LatentMask, Sigmas
from ..types import SigmaRange
from . import local_blend, masactrl, plug_and_play
from .kv_edit import kv_edit
from .presets import Preset
from .prompt_to_prompt import CROSS_END, SELF_END, prompt_to_prompt

Align: TypeAlias = Callable[[PromptTokens, PromptTokens], Alignment]


@dataclass(frozen=True)
class Steps:
    """The noise levels of an edit, and the dial that turns how long the source's attention is kept."""

    sigmas: Sigmas
    dial: Turned

    def window(self, span: Span) -> SigmaRange:
        """The noise levels of a span of the steps."""
        return window(self.sigmas, *span)

    def kept(self, span: Span) -> SigmaRange:
        """The noise levels at which the source's attention is kept: the span as the dial turns it."""
        return self.window(self.dial.kept(span))

    def keeps_none(self, span: Span) -> bool:
        """Whether no step lies in the span as the dial turns it."""
        return self.kept(span).low > self.kept(span).high


@dataclass(frozen=True)
class Ground(Steps):
    """Where settings become techniques: also the network's blocks, the words of both prompts, and a host's masks as the latents want them."""

    blocks: Sequence[str]
    words: Callable[[], tuple[Parts, Parts]]
    latent_mask: Callable[[Tensor], LatentMask]


@runtime_checkable
class Setting(Protocol):
    """A person's settings of one kind of edit; `rank` is how far outside of others it lies.

    Rank 1 brings other keys and values to all that was given before it, rank 2 lies outside of those; the others, of rank
    0, stay inside in the order in which they were given.
    """

    rank: ClassVar[int]

    def techniques(self, ground: Ground) -> list[Technique]: ...


def nested(settings: Sequence[tuple[Setting | Technique, Ground]]) -> list[Technique]:
    """The techniques of settings, each on its ground, the first outermost: of one rank above 0 the last given.

    A technique among them has rank 0. (What only reads attention lies outside of these wherever it is given:
    `EditedCall`.)
    """

    def rank(given: tuple[Setting | Technique, Ground]) -> int:
        return getattr(given[0], "rank", 0)

    outer = sorted(filter(rank, reversed(settings)), key=rank, reverse=True)
    techniques = []
    for setting, ground in (*outer, *(given for given in settings if not rank(given))):
        techniques += [setting] if isinstance(setting, Technique) else setting.techniques(ground)
    return techniques


@dataclass(frozen=True)
class PromptToPrompt:
    """Attention from the source in two spans of the steps: to the words of both prompts, and of the picture to itself."""

    rank: ClassVar[int] = 0
    align: Align = align_refine
    cross: Span = (0.0, CROSS_END)
    self_attention: Span = (0.0, SELF_END)
    weights: Mapping[str, float] = field(default_factory=dict)

    def techniques(self, ground: Ground) -> list[Technique]:
        alignments = [self.align(*pair) for pair in zip(*map(parts_of, ground.words()), strict=True)]
        cross, self_attention = ground.kept(self.cross), ground.kept(self.self_attention)
        return [prompt_to_prompt(alignments, cross=cross, self_attention=self_attention, weights=self.weights)]


@dataclass(frozen=True)
class LocalBlend:
    """The source outside the region of words, which are read at the sites of `where`; the dial does not turn its span."""

    rank: ClassVar[int] = 0
    source_words: Sequence[str]
    target_words: Sequence[str]
    span: Span = (local_blend.START, 1.0)
    threshold: float = local_blend.THRESHOLD
    where: Callable[[Site], bool] = legible

    def techniques(self, ground: Ground) -> list[Technique]:
        blend = local_blend.local_blend(
            *ground.words(),
            source_words=self.source_words,
            target_words=self.target_words,
            active=ground.window(self.span),
            threshold=self.threshold,
            where=self.where,
        )
        return [blend]


@dataclass(frozen=True)
class MutualAttention:
    """MasaCtrl from the fraction `depth` of the network on; its foregrounds are masks, or the regions of words of both prompts."""

    rank: ClassVar[int] = 1
    span: Span = (masactrl.START, 1.0)
    depth: float = masactrl.DEPTH
    source_mask: Tensor | None = None
    target_mask: Tensor | None = None
    source_words: Sequence[str] = ()
    target_words: Sequence[str] = ()

    def techniques(self, ground: Ground) -> list[Technique]:
        where, active = in_blocks(blocks_between(ground.blocks, self.depth)), ground.kept(self.span)
        if self.source_words:
            return masactrl.masactrl_by_words(
                *ground.words(),
                source_words=self.source_words,
                target_words=self.target_words,
                where=where,
                active=active,
            )
        masks = (self.source_mask, self.target_mask)
        source, target = (None if mask is None else ground.latent_mask(mask) for mask in masks)
        return [masactrl.masactrl(where=where, active=active, source_mask=source, target_mask=target)]


@dataclass(frozen=True)
class KVInjection:
    """Keys and values of the source as the preset for the network's blocks says, outside of a mask."""

    rank: ClassVar[int] = 1
    preset: Callable[[Sequence[str]], Preset]
    mask: Tensor | None = None

    def techniques(self, ground: Ground) -> list[Technique]:
        preset, mask = self.preset(ground.blocks), None if self.mask is None else ground.latent_mask(self.mask)
        return preset.techniques(ground.kept(preset.span), mask)


@dataclass(frozen=True)
class KVEdit:
    """A region made anew; the dial does not turn how long it sees the source's background."""

    rank: ClassVar[int] = 2
    mask: Tensor
    span: Span = (0.0, 1.0)

    def techniques(self, ground: Ground) -> list[Technique]:
        return [kv_edit(ground.latent_mask(self.mask), active=ground.window(self.span))]


@dataclass(frozen=True)
class PlugAndPlay:
    """Features and self-attention of the source's decoder, up to a fraction of the steps each, from `layer` on."""

    rank: ClassVar[int] = 0
    feature_end: float = plug_and_play.FEATURE_END
    attention_end: float = plug_and_play.ATTENTION_END
    layer: int = plug_and_play.LAYER

    def techniques(self, ground: Ground) -> list[Technique]:
        spans = ground.kept((0.0, self.feature_end)), ground.kept((0.0, self.attention_end))
        return plug_and_play.plug_and_play(features=spans[0], attention=spans[1], layer=self.layer)
