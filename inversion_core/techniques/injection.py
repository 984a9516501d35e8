"""The source's keys and values in the target's attention, at the blocks where they count (RF-Edit, Stable Flow, LayerVerse)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..attention.bank import Bank
from ..attention.image_tokens import Inside, recall_source, share_inside, shares, with_source
from ..attention.site import Attend, Site
from ..attention.technique import Pass, Technique
from ..shapes import Heads, LatentMask
from ..types import SigmaRange


def inject_keys_values(
    *, where: Callable[[Site], bool], active: SigmaRange, mask: LatentMask | None = None
) -> Technique:
    """In the steps of `active`, image tokens attend to the source's: `attend(q, k_source, v_source)` at the sites of `where`.

    Text tokens keep keys and values of their own, and so do the tokens at least half inside `mask`: the region that
    is edited (Stable Flow, arXiv:2411.14430, sec. 3.3; with a mask LayerVerse, published code). Both guidance
    branches take what the source has on theirs, or on its conditional one. Put it outside of edits that split the
    values (Prompt-to-Prompt, word maps). Applying it raises UnmatchedEdit if no site matches.
    """
    return _Injection("keys and values of the source", slice(0, 2), mask).technique(where, active)


def inject_values(
    *, where: Callable[[Site], bool], active: SigmaRange, mask: LatentMask | None = None, text: bool = False
) -> Technique:
    """As `inject_keys_values`, but the keys stay the target's: `attend(q, k, v_source)` (RF-Edit, arXiv:2411.04746, sec. 3.4).

    With `text` the text tokens take the source's values too where they are as many, as in the published code; that takes
    all from the way up, a level cleaner.
    """
    return _Injection("values of the source", slice(1, 2), mask, text).technique(where, active)


@dataclass(frozen=True)
class _Injection:
    """`taken` says which of the keys and the values come from the source, `text` whether the text's values do too."""

    name: str
    taken: slice
    mask: LatentMask | None
    text: bool = False

    def technique(self, where: Callable[[Site], bool], active: SigmaRange) -> Technique:
        there = shares(where)
        return Technique(
            Pass(f"{self.name}, recorded", there, self.record, active=active),
            Pass(f"{self.name}, injected", there, self.inject, active=active),
        )

    def record(self, bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        bank.record(self.name, site, *(t[:, :, site.image] for t in (k, v)[self.taken]))
        if self.text:
            bank.record(f"{self.name}, text", site, v[:, :, site.text.start : site.text.stop])
        return attend(q, k, v)

    def inject(self, bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        source, spared = recall_source(bank, self.name, site), self.spared(q, site)
        mixed = [with_source(t, s, site, spared) for t, s in zip((k, v)[self.taken], source, strict=True)]
        if self.text:
            mixed[-1] = self.with_text(mixed[-1], bank, site)
        return attend(q, *(k, v)[: self.taken.start], *mixed)

    def with_text(self, v: Heads, bank: Bank, site: Site) -> Heads:
        (text,) = recall_source(bank, f"{self.name}, text", site)
        if text.shape[2] != len(site.text):
            return v
        return torch.cat([v[:, :, : site.text.start], text, v[:, :, site.text.stop :]], 2)

    def spared(self, q: Heads, site: Site) -> Inside | None:
        """The tokens inside the mask, which keep keys and values of their own."""
        return None if self.mask is None else share_inside(self.mask, site, len(q)) >= 0.5
