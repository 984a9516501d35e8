"""Plug-and-Play (arXiv:2211.12572): features and self-attention of the picture's decoder, in the place of the target's own."""

from collections.abc import Callable

from ..attention.bank import Bank
from ..attention.image_tokens import recall_source
from ..attention.site import Attend, Site
from ..attention.technique import Pass, Technique
from ..shapes import Heads
from ..types import SigmaRange

FEATURE_END = 0.8
"""Fraction of the steps under the source's features (published code, github.com/MichalGeyer/pnp-diffusers)."""
ATTENTION_END = 0.5
"""Fraction of the steps under the source's self-attention (published code)."""
LAYER = 4
"""The decoder's layer whose features are injected; self-attention is from it on (arXiv:2211.12572, sec. 4)."""


def plug_and_play(*, features: SigmaRange, attention: SigmaRange, layer: int = LAYER) -> list[Technique]:
    """The source's features f and maps A in the decoder of a UNet: `f^layer_target <- f^layer_source`, `A^l_target <- A^l_source` for l >= layer.

    f is what the residual block of the decoder's `layer` adds to its input, in the steps of `features`; A is that of
    self-attention, by its queries and keys, in the steps of `attention` (arXiv:2211.12572, alg. 1). Both replace those of
    either branch of guidance. The source is seen with its own prompt.
    """

    def feature(site: Site) -> bool:
        return site.kind == "feature" and site.layer == layer

    def self_attention(site: Site) -> bool:
        return site.kind == "self" and site.layer is not None and site.layer >= layer

    return [
        _from_source("features", slice(2, 3), "features", feature, features, is_feature=True),
        _from_source("self-attention", slice(0, 2), "decoder maps", self_attention, attention),
    ]


def _from_source(
    name: str, taken: slice, key: str, where: Callable[[Site], bool], active: SigmaRange, is_feature: bool = False
) -> Technique:
    """The source's `taken` of queries, keys and values, recorded as `key`; its unconditional branch is not recorded."""

    def record(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        bank.record(key, site, *(q, k, v)[taken])
        return attend(q, k, v)

    def inject(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        qkv = [q, k, v]
        qkv[taken] = recall_source(bank, key, site)
        return attend(*qkv)

    def of_prompt(site: Site) -> bool:
        return site.branch == "cond" and where(site)

    source, target = f"plug-and-play, {name}, source", f"plug-and-play, {name}, target"
    return Technique(
        Pass(source, of_prompt, record, is_feature, active=active),
        Pass(target, where, inject, is_feature, active=active),
    )
