"""MasaCtrl (arXiv:2304.08465): the target asks, the source answers; what the picture shows stays, its form may change."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from ..attention.bank import Bank
from ..attention.edited_call import bare
from ..attention.image_tokens import Inside, recall_source, share_inside, shares
from ..attention.maps import mean_maps, readings, record_parts
from ..attention.reference import with_image
from ..attention.site import Attend, Site
from ..attention.technique import Pass, Technique
from ..attention.weighted import weighted
from ..prompts.tokens import Parts
from ..shapes import Heads, LatentMask
from ..types import SigmaRange

START = 4 / 50
"""Fraction of the steps after which it acts: step 4 of 50 (published code)."""
DEPTH = 0.63
"""Fraction of the network's self-attention after which it acts: layer 10 of 16 of SD 1, or 44 of 70 of SDXL (published code)."""
THRESHOLD = 0.1
"""The share of a word's strongest attention that is foreground (published code)."""

NAME = "MasaCtrl"  # of what it records
Regions: TypeAlias = Callable[[Bank, Site, int], tuple[Inside, Inside]]
"""`(bank, site, rows) ->` the foreground of the source and of the target."""


def masactrl(
    *,
    where: Callable[[Site], bool],
    active: SigmaRange,
    source_mask: LatentMask | None = None,
    target_mask: LatentMask | None = None,
) -> Technique:
    """Mutual self-attention in the steps of `active` at the sites of `where`: `attend(q, k_source, v_source)` (eq. 6).

    With the foreground of the source in `source_mask`, and of the target in `target_mask` or in the same, foreground
    asks foreground only and background asks background (eq. 8). In joint attention text tokens take no part: they
    keep keys and values of their own, are asked by all, and ask all. Both guidance branches take what the source has
    on theirs, or on its conditional one. Put it outside of edits that split the values (Prompt-to-Prompt, word maps).
    Applying it raises UnmatchedEdit if no site matches.
    """
    if source_mask is None:
        return _mutual(where, active, None)
    masks = source_mask, source_mask if target_mask is None else target_mask

    def regions(bank: Bank, site: Site, rows: int) -> tuple[Inside, Inside]:
        source, target = (share_inside(mask, site, rows) >= 0.5 for mask in masks)
        return source, target

    return _mutual(where, active, regions)


def masactrl_by_words(
    source: Parts,
    target: Parts,
    *,
    source_words: Sequence[str],
    target_words: Sequence[str],
    where: Callable[[Site], bool],
    active: SigmaRange,
    threshold: float = THRESHOLD,
) -> list[Technique]:
    """As `masactrl` with masks, which are read off the attention to words at every step; two techniques that belong together.

    Foreground is where the words' map of the step, brought to 0..1, is at least `threshold`. Until the target has shown
    such a map in an evaluation, and where the network is shown a batch in parts, its foreground is the source's. Raises
    ValueError if a word is not in its prompt.
    """
    names = f"{NAME}, words of the source", f"{NAME}, words of the target"

    def regions(bank: Bank, site: Site, rows: int) -> tuple[Inside, Inside]:
        if not bank.named(names[0]):  # the source's prompt with the words does not act in this step
            everywhere = torch.ones(1, site.tokens, dtype=torch.bool)
            return everywhere, everywhere
        known = names if site.rows is None and bank.named(names[1]) else (names[0], names[0])
        source, target = (share_inside(_level(mean_maps(bank, name)), site, rows) >= threshold for name in known)
        return source, target

    maps = Technique(
        record_parts(names[0], readings(source, source_words)), record_parts(names[1], readings(target, target_words))
    )
    return [_mutual(where, active, regions), maps]


def _level(maps: Tensor) -> Tensor:
    low, high = (bound(maps, (-2, -1), keepdim=True) for bound in (torch.amin, torch.amax))
    return (maps - low) / (high - low).clamp(min=torch.finfo(maps.dtype).tiny)


def _mutual(where: Callable[[Site], bool], active: SigmaRange, regions: Regions | None) -> Technique:
    def record(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        bank.record(NAME, site, k[:, :, site.image], v[:, :, site.image])
        return attend(q, k, v)

    def inject(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        k, v = (with_image(t, site, source) for t, source in zip((k, v), recall_source(bank, NAME, site), strict=True))
        if regions is None:
            return attend(q, k, v)
        masks = [mask.cpu() for mask in regions(bank, site, len(q))]
        alike = bare(attend) and all(len(mask) == 1 for mask in masks)
        return (attend_regions if alike else attend_weighted_regions)(attend, q, k, v, site, *masks)

    there = shares(where)
    source, target = (f"{NAME}, {role}" for role in ("source", "target"))
    return Technique(Pass(source, there, record, active=active), Pass(target, there, inject, active=active))


def attend_regions(attend: Attend, q: Heads, k: Heads, v: Heads, site: Site, source: Inside, target: Inside) -> Heads:
    """Each region's queries on its own keys, for one mask of all rows; on all keys where the source has no such region."""
    is_text = torch.ones(k.shape[2], dtype=torch.bool)
    is_text[site.image] = False
    out = q.new_empty(*q.shape[:3], v.shape[3])
    for inside in (True, False):
        there = source[0] == inside
        queries, keys = torch.zeros_like(is_text), is_text.clone()
        queries[site.image], keys[site.image] = target[0] == inside, there if bool(there.any()) else True
        if bool(queries.any()):
            from_tokens, to_tokens = (chosen.nonzero()[:, 0].to(q.device) for chosen in (queries, keys))
            out[:, :, from_tokens] = attend(q[:, :, from_tokens], k[:, :, to_tokens], v[:, :, to_tokens])
    if bool(is_text.any()):
        from_tokens = is_text.nonzero()[:, 0].to(q.device)
        out[:, :, from_tokens] = attend(q[:, :, from_tokens], k, v)
    return out


def attend_weighted_regions(
    attend: Attend, q: Heads, k: Heads, v: Heads, site: Site, source: Inside, target: Inside
) -> Heads:
    """The same for masks that differ from row to row, and for edits inside that need every token: keys of weight 0 and 1."""
    sides = []
    for inside in (True, False):
        keys = (source == inside) | ~(source == inside).any(1, keepdim=True)
        weights = torch.ones(len(source), 1, k.shape[2], 1)
        weights[:, 0, site.image, 0] = keys.to(weights)
        sides.append(weighted(attend, q, k, v, weights.to(q.device))[:, :, site.image])
    image = torch.where(target[:, None, :, None].to(q.device), sides[0], sides[1])
    return image if site.kind == "self" else with_image(attend(q, k, v), site, image)
