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

    return [_features(features, feature), _maps(attention, self_attention)]


def _features(active: SigmaRange, where: Callable[[Site], bool]) -> Technique:
    def record(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        if site.sigma in active:
            bank.record("features", site, v)
        return attend(q, k, v)

    def inject(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        return attend(q, k, recall_source(bank, "features", site)[0] if site.sigma in active else v)

    return Technique(
        Pass("plug-and-play, features, source", _of_prompt(where), record, features=True),
        Pass("plug-and-play, features, target", where, inject, features=True),
    )


def _maps(active: SigmaRange, where: Callable[[Site], bool]) -> Technique:
    def record(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        if site.sigma in active:
            bank.record("decoder maps", site, q, k)
        return attend(q, k, v)

    def inject(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        if site.sigma in active:
            q, k = recall_source(bank, "decoder maps", site)
        return attend(q, k, v)

    return Technique(
        Pass("plug-and-play, self-attention, source", _of_prompt(where), record),
        Pass("plug-and-play, self-attention, target", where, inject),
    )


def _of_prompt(where: Callable[[Site], bool]) -> Callable[[Site], bool]:
    """Those of the sites that the source's own prompt has: its unconditional branch is not recorded."""
    return lambda site: site.branch == "cond" and where(site)
