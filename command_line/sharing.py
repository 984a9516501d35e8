"""The source's keys and values in an edit, from plain settings."""

from collections.abc import Callable, Sequence

from torch import Tensor

from ..inversion_core.attention.blocks import between, within
from ..inversion_core.attention.technique import Technique
from ..inversion_core.schedules import window
from ..inversion_core.shapes import Sigmas
from ..inversion_core.techniques.injection import inject_keys_values, inject_values
from ..inversion_core.techniques.kv_edit import kv_edit
from ..inversion_core.techniques.masactrl import DEPTH, START, masactrl
from ..inversion_core.techniques.presets import preset_with

Made = Callable[[Sequence[str], Sigmas, Tensor | None], list[Technique]]


def _masactrl(blocks: Sequence[str], sigmas: Sigmas, mask: Tensor | None) -> list[Technique]:
    return [masactrl(where=within(between(blocks, DEPTH)), active=window(sigmas, START, 1))]


def _injected(inject: Callable[..., Technique]) -> Made:
    def made(blocks: Sequence[str], sigmas: Sigmas, mask: Tensor | None) -> list[Technique]:
        preset = preset_with(blocks, inject)
        return preset.techniques(window(sigmas, *preset.span), mask)

    return made


SHARES: dict[str, Made] = {
    "masactrl": _masactrl,
    "kv": _injected(inject_keys_values),
    "values": _injected(inject_values),
}
"""What of the source's self-attention an edit shares, by the names that `--share` knows."""


def shared(
    blocks: Sequence[str], sigmas: Sigmas, *, share: str | None, region: Tensor | None, mask: Tensor | None
) -> list[Technique]:
    """The techniques, outermost first: KV-Edit of `region`, and what is shared, which spares the inside of `mask`."""
    made = [] if region is None else [kv_edit(region, active=window(sigmas, 0, 1))]
    return made if share is None else [*made, *SHARES[share](blocks, sigmas, mask)]
