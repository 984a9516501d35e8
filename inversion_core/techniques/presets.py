"""Where keys and values are injected: blocks that were published for a network, and a share of the depth for any other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..attention.blocks import blocks_between, in_blocks
from ..attention.technique import Technique
from ..shapes import LatentMask
from ..types import SigmaRange
from .injection import inject_keys_values, inject_values

Span = tuple[float, float]


@dataclass(frozen=True)
class Preset:
    """`inject` acts on `blocks` outside of a mask if there is one, and on those `everywhere` inside it too.

    `span` is in fractions of the steps; with `text` the text tokens take the source's values too. `source` says where the
    numbers are from, `network` for which one they are: its numbers of double and of single blocks.
    """

    source: str
    network: tuple[int, int]
    inject: Callable[..., Technique]
    blocks: tuple[str, ...]
    everywhere: tuple[str, ...] = ()
    span: Span = (0.0, 1.0)
    text: bool = False

    def techniques(self, active: SigmaRange, mask: LatentMask | None = None) -> list[Technique]:
        """The edits, in the steps of `active`."""
        parts, more = [(self.blocks, mask), (self.everywhere, None)], {"text": True} if self.text else {}
        return [self.inject(where=in_blocks(names), active=active, mask=part, **more) for names, part in parts if names]

    def on(self, blocks: Sequence[str]) -> "Preset":
        """The preset. Raises ValueError if a network of these `blocks` lacks one of its own."""
        missing = sorted({*self.blocks, *self.everywhere} - set(blocks))
        if missing:
            doubles, singles = self.network
            raise ValueError(
                f"This preset is for a transformer of {doubles} double and {singles} single blocks, but this model has no block "
                f"{missing[0]}. Choose 'auto', or set the blocks by depth."
            )
        return self


def block_names(kind: str, *numbers: int) -> tuple[str, ...]:
    return tuple(f"{kind}.{number}" for number in numbers)


FLUX, SD3 = (19, 38), (24, 0)  # double and single blocks

PRESETS = {
    "Stable Flow (Flux)": Preset(
        "vital layers, arXiv:2411.14430, as in the published code; 50 steps, guidance 3",
        FLUX,
        inject_keys_values,
        block_names("double", 0, 1, 17, 18) + block_names("single", 6, 9, 34, 35, 37),
    ),
    "RF-Edit (Flux)": Preset(
        "single blocks after the 20th in the first 2 of 15 steps, arXiv:2411.04746, published code",
        FLUX,
        inject_values,
        block_names("single", *range(20, 38)),
        span=(0.0, 2 / 15),
        text=True,
    ),
    "LayerVerse (Flux)": Preset(
        "github.com/v-gen-ai/LayerVerse, selected_combinations_config.yaml; 15 steps, guidance 2",
        FLUX,
        inject_keys_values,
        block_names("double", 1) + block_names("single", *range(32, 38)),
        block_names("double", 2),
    ),
    "LayerVerse (SD3.5 medium)": Preset(
        "github.com/v-gen-ai/LayerVerse, README of LayerVerse_SD3.5; 28 steps, guidance 7.5",
        SD3,
        inject_keys_values,
        block_names("double", 0, 1, 3, 4, 12, 14, 17, 18, 19),
        block_names("double", 20, 21, 22, 23),
    ),
    "Stable Flow (SD3)": Preset(
        "vital layers, arXiv:2411.14430, app.", SD3, inject_keys_values, block_names("double", 0, 7, 8, 9)
    ),
}


LATE = 0.5
"""Fraction of the blocks after which a network without a published list is edited."""
EARLY = 2 / 15
"""Fraction of the steps in which such a network takes values alone: RF-Edit's."""


def by_depth(
    blocks: Sequence[str],
    inject: Callable[..., Technique],
    *,
    start: float = LATE,
    end: float = 1.0,
    span: Span = (0.0, 1.0),
) -> Preset:
    """The blocks from fraction `start` of a network's depth to `end`. Raises as `blocks_between`."""
    return Preset("a share of the depth", (0, 0), inject, blocks_between(blocks, start, end), span=span)


def preset_with(blocks: Sequence[str], inject: Callable[..., Technique]) -> Preset:
    """The first published preset that injects so, for a network of as many blocks; for any other its later half.

    Values alone are injected in the first steps there, which leaves the edit most room.
    """
    counts = tuple(sum(name.startswith(kind) for name in blocks) for kind in ("double.", "single."))
    for preset in PRESETS.values():
        if preset.network == counts and preset.inject is inject:
            return preset
    return by_depth(blocks, inject, span=(0.0, EARLY if inject is inject_values else 1.0))


def preset_for(blocks: Sequence[str], *, masked: bool) -> Preset:
    """The published preset of keys and values for a network of as many blocks.

    For any other its later half: keys and values if a region is `masked` and kept out of it, else values alone.
    """
    usual = preset_with(blocks, inject_keys_values)
    return usual if masked or usual in PRESETS.values() else preset_with(blocks, inject_values)
