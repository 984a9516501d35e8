"""Prompt-to-Prompt (arXiv:2208.01626) on the fused attention kernel, for pictures of any size.

Its edits are linear in the columns of the attention map, so they act on the values and the map is never written out.
"""

from collections.abc import Callable, Mapping

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
    spans = {columns: span for word, span in (windows or {}).items() for columns in [alignment.target.columns_of(word)]}

    def active(site: Site) -> Tensor:
        on = torch.full_like(scale, float(site.sigma in cross))
        for columns, span in spans.items():
            on[list(columns)] = float(site.sigma in span)
        return on

    def where(site: Site) -> bool:
        return site.branch == "cond" and (site.kind == "cross" or self_where(site))

    def needed(site: Site) -> bool:
        return site.sigma in self_attention if site.kind == "self" else bool(active(site).any())

    def record(bank: Bank) -> AttentionEdit:
        def apply(attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
            if needed(site):
                bank.record("prompt-to-prompt", site, q, k)
            return attend(q, k, v)

        return AttentionEdit("prompt-to-prompt, source", where, apply)

    def inject(bank: Bank) -> AttentionEdit:
        def apply(attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
            if not needed(site):
                return attend(q, k, v)
            q_source, k_source = bank.recall("prompt-to-prompt", site)
            if site.kind == "self":
                return attend(q_source, k_source, v)
            k_source = first_copy(k_source, alignment.source.length)
            k, v = first_copy(k, alignment.target.length), first_copy(v, alignment.target.length)
            return mix(attend, q_source, k_source, q, k, v, alignment, scale, active(site))

        return AttentionEdit("prompt-to-prompt, target", where, apply)

    return Technique(record, inject)


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
