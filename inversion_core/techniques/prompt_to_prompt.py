"""Prompt-to-Prompt (arXiv:2208.01626) on the fused attention kernel, for pictures of any size.

Its edits are linear in the columns of the attention map, so they act on the values and the map is never written out.
Joint attention is both of its kinds in one call: the image's rows hold the words' columns and the image's own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import einsum
from torch import Tensor

from ..attention.bank import Bank
from ..attention.edited_call import bare
from ..attention.maps import check_text, in_transformer, own_text
from ..attention.reference import with_image
from ..attention.site import Attend, Site
from ..attention.technique import Pass, Technique
from ..prompts.tokens import Alignment, columns_in
from ..shapes import Heads
from ..types import SigmaRange

# Fractions of the steps under cross- and self-attention control.
# On 40 edits of every kind on each of the toybox's models (guidance 3, 20 steps, direct anchor) 0.2 and 0.6 gave 90 and 93 %
# right, 0 and 0.4 gave 95 and 98 %: more of the words' holds the light, so that a day stays bright, and more of the image's
# own holds animals and patterns. On 80 others (benchmarks/defaults.py) 0 and 0.2 give 99 % on both.
# Published are 0.8 and 0.4 (arXiv:2208.01626, published code), 0.4 and 0.6 (PIE-Bench, arXiv:2310.01506, app. B), and on
# rectified flow 0.2 and 0.2 (arXiv:2508.07519, published code).
CROSS_END, SELF_END = 0.0, 0.2
WEIGHTED_CROSS_END = 0.4  # of the words where some are weighed, which acts under their control alone


def coarse(site: Site) -> bool:
    """Self-attention of UNets at 32 x 32 tokens and coarser (arXiv:2208.01626, published code), and all of transformers."""
    return site.kind == "joint" or (site.kind == "self" and (site.tokens <= 1024 or in_transformer(site)))


def prompt_to_prompt(
    alignment: Alignment | Sequence[Alignment],
    *,
    cross: SigmaRange,
    self_attention: SigmaRange,
    weights: Mapping[str, float] | None = None,
    self_where: Callable[[Site], bool] = coarse,
) -> Technique:
    """Cross-attention of the target's words taken from the source, and its self-attention while `self_attention` holds.

    In `cross` column t of the target's map becomes `w_t (sum_s M[s, t] A_source[s] + (1 - taken_t) A_target[t])` with the
    alignment's M and the words' `weights` (1 unless named). Joint attention follows as `mix`, its image columns where
    `self_where` holds. Prompts of several parts (`Site.part`) have an alignment each, or one for all. Raises ValueError if
    a word of `weights` is not in the target prompt.
    """
    parts, weights = [alignment] if isinstance(alignment, Alignment) else alignment, weights or {}
    columns = {word: columns_in([part.target for part in parts], word) for word in weights}
    controls = []
    for number, part in enumerate(parts):
        scale = torch.ones(part.target.length)
        for word, factor in weights.items():
            scale[list(columns[word][number])] = factor
        controls.append(_Control(part, cross, self_attention, scale, self_where))

    def of(site: Site) -> _Control:
        return controls[site.part if len(controls) > 1 else 0]

    def where(site: Site) -> bool:
        return site.branch == "cond" and (site.kind in ("cross", "joint") or self_where(site))

    def record(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        return of(site).record(bank, attend, q, k, v, site)

    def inject(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        return of(site).inject(bank, attend, q, k, v, site)

    return Technique(Pass("prompt-to-prompt, source", where, record), Pass("prompt-to-prompt, target", where, inject))


@dataclass(frozen=True)
class _Control:
    alignment: Alignment
    cross: SigmaRange
    self_attention: SigmaRange
    scale: Tensor
    self_where: Callable[[Site], bool]

    def active(self, site: Site) -> Tensor:
        """For each of the target's columns, 1 where words are under control at the site's sigma, else 0."""
        return torch.full_like(self.scale, float(site.sigma in self.cross))

    def shaped(self, site: Site) -> bool:
        """Whether the image's attention to itself comes from the source."""
        return site.kind != "cross" and site.sigma in self.self_attention and self.self_where(site)

    def needed(self, site: Site) -> bool:
        return self.shaped(site) or (site.kind != "self" and site.sigma in self.cross)

    def record(self, bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        if self.needed(site):
            bank.record("prompt-to-prompt", site, q[:, :, site.image], own_text(k, site))
        return attend(q, k, v)

    def inject(self, bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        if not self.needed(site):
            return attend(q, k, v)
        q_source, k_source = bank.recall("prompt-to-prompt", site)
        if site.kind == "self":
            return attend(q_source, k_source, v)
        if site.kind == "joint":
            return self.joint(attend, q_source, k_source, q, k, v, site)
        check_text(k_source.shape[2], self.alignment.source.length)
        check_text(len(site.text), self.alignment.target.length)
        k, v = own_text(k, site), own_text(v, site)
        return mix(attend, q_source, k_source, q, k, v, self.alignment, self.scale, self.active(site))

    def joint(
        self, attend: Attend, q_source: Heads, k_source: Heads, q: Heads, k: Heads, v: Heads, site: Site
    ) -> Heads:
        """The image's rows mixed; all others attend as they would. Edits inside this one are asked for all rows, as they expect."""
        check_text(len(site.text), self.alignment.target.length)
        check_text(len(site.text) + k_source.shape[2] - k.shape[2], self.alignment.source.length)

        def mixed(q_source: Heads, q: Heads) -> Heads:
            on, shaped = self.active(site), self.shaped(site)
            return mix(
                attend, q_source, k_source, q, k, v, self.alignment, self.scale, on, text=site.text, shaped=shaped
            )

        start, stop = site.image.start, site.image.stop
        before, image, after = q[:, :, :start], q[:, :, start:stop], q[:, :, stop:]
        if not bare(attend):
            image = mixed(torch.cat([before, q_source, after], 2), q)[:, :, start:stop]
            return with_image(attend(q, k, v), site, image)
        image = mixed(q_source, image)
        others = attend(torch.cat([before, after], 2), k, v)
        return torch.cat([others[:, :, :start], image, others[:, :, start:]], 2)


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
    *,
    text: range | None = None,
    shaped: bool = False,
) -> Heads:
    """Attention whose columns are partly the source's: `A_s M diag(on w) v + A_t diag(on (1 - taken) w + 1 - on) v`.

    With columns beside those of the `text`, as in joint attention, these come from A_s if `shaped`, else from A_t. Each
    of the two terms is one call of the host's kernel on changed values; a term that is zero is not computed. What edits
    and patches inside bring of their own comes with those columns, and is taken off the other term.
    """
    start, stop = (text.start, text.stop) if text else (0, v.shape[2])
    before, words, after = v[:, :, :start], v[:, :, start:stop], v[:, :, stop:]

    def among(words: Heads, others: bool) -> Heads:
        """The values of the words, among those of the other columns or among zeros."""
        sides = (before, after) if others else (torch.zeros_like(before), torch.zeros_like(after))
        return torch.cat([sides[0], words, sides[1]], 2)

    own = on * (1 - alignment.taken) * scale + (1 - on)
    only_source = not bool(own.any()) and (shaped or words.shape == v.shape)
    matrix, scale, on, own = (t.to(v) for t in (alignment.matrix, scale, on, own))
    moved = einsum(matrix * (on * scale), words, "s t, b h t d -> b h s d")
    taken = among(moved, shaped)
    mixed = attend(q_source, k_source, taken)
    if only_source:
        return mixed
    kept = among(own[:, None] * words, not shaped)
    mixed = mixed + attend(q, k, kept)
    if bare(attend):
        return mixed
    brought_again = (q, k, torch.zeros_like(kept)) if shaped else (q_source, k_source, torch.zeros_like(taken))
    return mixed - attend(*brought_again)
