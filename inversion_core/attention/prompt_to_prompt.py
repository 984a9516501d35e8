"""Prompt-to-Prompt (arXiv:2208.01626) on the fused attention kernel, for pictures of any size.

Its edits are linear in the columns of the attention map, so they act on the values and the map is never written out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from einops import einsum
from torch import Tensor

from ..shapes import Heads
from ..types import SigmaRange
from .bank import Bank
from .maps import first_copy
from .site import Attend, AttentionEdit, Site, Technique
from .tokens import Alignment

CROSS_END = 0.4
SELF_END = 0.6
"""Fractions of the steps under cross- and self-attention control: the setting of PIE-Bench (arXiv:2310.01506, app. B)."""


def coarse(site: Site) -> bool:
    """Self-attention is replaced at 32 x 32 tokens and coarser (arXiv:2208.01626, published code)."""
    return site.kind == "self" and site.tokens <= 1024


def prompt_to_prompt(
    alignment: Alignment,
    *,
    cross: SigmaRange,
    self_attention: SigmaRange,
    weights: Mapping[str, float] | None = None,
    windows: Mapping[str, SigmaRange] | None = None,
    self_where: Callable[[Site], bool] = coarse,
) -> Technique:
    """Cross-attention of the target's words taken from the source, and its self-attention while `self_attention` holds.

    In `cross`, or the word's own range in `windows`, column t of the target's map becomes
    `w_t (sum_s M[s, t] A_source[s] + (1 - taken_t) A_target[t])` with the alignment's M and the words' `weights` (1
    unless named). Raises ValueError if a word of `weights` or `windows` is not in the target prompt.
    """
    scale = torch.ones(alignment.target.length)
    for word, weight in (weights or {}).items():
        scale[list(alignment.target.columns_of(word))] = weight
    spans = {alignment.target.columns_of(word): span for word, span in (windows or {}).items()}
    control = _Control(alignment, cross, self_attention, scale, spans)

    def where(site: Site) -> bool:
        return site.branch == "cond" and (site.kind == "cross" or self_where(site))

    return Technique(
        record=lambda bank: AttentionEdit("prompt-to-prompt, source", where, partial(control.record, bank)),
        inject=lambda bank: AttentionEdit("prompt-to-prompt, target", where, partial(control.inject, bank)),
    )


@dataclass(frozen=True)
class _Control:
    alignment: Alignment
    cross: SigmaRange
    self_attention: SigmaRange
    scale: Tensor
    spans: Mapping[tuple[int, ...], SigmaRange]

    def active(self, site: Site) -> Tensor:
        """1 for the target's columns that are under control at the site's sigma, else 0."""
        on = torch.full_like(self.scale, float(site.sigma in self.cross))
        for columns, span in self.spans.items():
            on[list(columns)] = float(site.sigma in span)
        return on

    def needed(self, site: Site) -> bool:
        return site.sigma in self.self_attention if site.kind == "self" else bool(self.active(site).any())

    def record(self, bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        if self.needed(site):
            bank.record("prompt-to-prompt", site, q, k)
        return attend(q, k, v)

    def inject(self, bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        if not self.needed(site):
            return attend(q, k, v)
        q_source, k_source = bank.recall("prompt-to-prompt", site)
        if site.kind == "self":
            return attend(q_source, k_source, v)
        k_source = first_copy(k_source, self.alignment.source.length)
        k, v = (first_copy(t, self.alignment.target.length) for t in (k, v))
        return mix(attend, q_source, k_source, q, k, v, self.alignment, self.scale, self.active(site))


def mix(
    attend: Attend,
    q_source: Heads,
    k_source: Heads,
    q: Heads,
    k: Heads,
    v: Heads,
    alignment: Alignment,
    scale: Tensor,
    on: Tensor,
) -> Heads:
    """Attention whose columns are partly the source's: `A_s M diag(on w) v + A_t diag(on (1 - taken) w + 1 - on) v`.

    Each of the two terms is one call of the host's kernel on changed values; a term that is zero is not computed.
    """
    matrix, scale, on, taken = (t.to(v) for t in (alignment.matrix, scale, on, alignment.taken))
    own = on * (1 - taken) * scale + (1 - on)
    moved = einsum(matrix * (on * scale), v, "s t, b h t d -> b h s d")
    from_source = attend(q_source, k_source, moved)
    return from_source + attend(q, k, own[:, None] * v) if bool(own.any()) else from_source
