"""A garment of one picture on the person of another: shared attention within masks, and the garment's statistics.

No single publication: the composed start is TF-ICON's (arXiv:2307.12493), shared keys and shifted logits are StyleAligned's (arXiv:2312.02133), the restriction of keys to a
mask MasaCtrl's (arXiv:2304.08465), the statistics within masks those of Cross-Image Attention (arXiv:2311.03335).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..attention.bank import Bank
from ..attention.image_tokens import share_inside
from ..attention.reference import (
    image_rows,
    image_tokens,
    latent_adain,
    name_for,
    on_latent,
    recall_image,
    record_image,
)
from ..attention.site import Attend, Site
from ..attention.technique import Pass, Reference, Technique
from ..attention.weighted import weighted
from ..shapes import Heads, Latent
from ..trajectory import Trajectory
from ..types import Cond, SigmaRange

BETA = math.log(2)
"""Shift of the logits to the garment's keys: StyleAligned's for real references."""


@dataclass(frozen=True)
class Worn:
    """A garment: the picture that shows it, its prompt, and `mask`, where it is; `region` is where the person wears it.

    Masks lie in 0..1, one for all pictures or one for each, of any size. Raises ValueError if they do not.
    """

    trajectory: Trajectory
    cond: Cond
    mask: Float[Tensor, "masks 1 _ _"]
    region: Float[Tensor, "regions 1 _ _"]

    def __post_init__(self) -> None:
        masks = (self.mask, self.region)
        if not all(bool(((m >= 0) & (m <= 1)).all()) for m in masks):
            raise ValueError("The masks of the garment and of its region need values in 0..1.")
        numbers = {len(m) for m in masks} - {1}
        if len(numbers) > 1:
            raise ValueError(
                f"There are {len(self.mask)} garment masks for {len(self.region)} regions. Give equally many."
            )


def garment_start(worn: Worn) -> Technique:
    """The target starts from the garment's noisy latent in the region, `x + m r (x_garment - x)`, and from its own elsewhere.

    Both masks count, so the garment must lie where it is worn: bring it there first (`applications.registration`). An
    empty mask is no edit.
    """
    levels = worn.trajectory.sigmas.tolist()

    def begin(x: Latent, sigma: float) -> Latent:
        garment = worn.trajectory.xs[levels.index(sigma)].to(x)
        share = on_latent(worn.mask.to(x), x.shape) * on_latent(worn.region.to(x), x.shape)
        return torch.where(share > 0, x + share * (garment - x), x)

    return Technique(begin=begin)


def garment_attention(
    worn: Worn, *, active: SigmaRange, beta: float = BETA, where: Callable[[Site], bool] = image_tokens
) -> Technique:
    """Keys and values of the garment beside the person's own, in the steps of `active`.

    `softmax([Q K^T, Q K_g^T + beta r]) [V, V_g]` with the garment's tokens inside its mask alone, and r = 1 for queries in
    the region, else 0. An empty mask is no edit.
    """
    name = name_for("garment", worn.trajectory)

    def inject(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        masks = [share_inside(m, site, len(q)) >= 0.5 for m in (worn.mask, worn.region)]
        if not bool(masks[0].any()):
            return attend(q, k, v)
        _, k_ref, v_ref = recall_image(bank, name, site, len(q))
        image, rows = q[:, :, site.image], max(map(len, masks))
        pictures = zip(*(t.chunk(rows) for t in (image, k, v, k_ref, v_ref)), strict=True)
        garments, regions = (m.expand(rows, -1) for m in masks)
        shared = [
            _shared(attend, *parts, garment=garment, region=region, beta=beta)
            for parts, garment, region in zip(pictures, garments, regions, strict=True)
        ]
        return image_rows(attend, q, k, v, site, torch.cat(shared))

    reference = Reference(worn.trajectory, worn.cond, record_image(name, where))
    return Technique(inject=Pass("garment", where, inject, active=active), reference=reference)


def _shared(
    attend: Attend,
    q: Heads,
    k: Heads,
    v: Heads,
    k_ref: Heads,
    v_ref: Heads,
    *,
    garment: Tensor,
    region: Tensor,
    beta: float,
) -> Heads:
    """Attention of pictures with one mask, of which `garment` tells the garment's tokens."""
    if not bool(garment.any()):
        return attend(q, k, v)
    chosen = garment.nonzero()[:, 0].to(k.device)
    keys, values = (torch.cat([t, ref.index_select(2, chosen)], 2) for t, ref in ((k, k_ref), (v, v_ref)))
    plain = attend(q, keys, values)
    if beta == 0 or not bool(region.any()):
        return plain
    counts = torch.ones(1, 1, keys.shape[2], 1, device=v.device)
    counts[:, :, k.shape[2] :] = math.exp(beta)
    return torch.where(region[:, None].to(v.device), weighted(attend, q, keys, values, counts), plain)


def garment_statistics(worn: Worn, *, active: SigmaRange) -> Technique:
    """After the steps of `active`, the region takes the mean and spread of the garment within its mask, channel by channel.

    The garment's latent is that of its trajectory at the level that the step led to. An empty mask or region is no edit.
    """
    levels = worn.trajectory.sigmas.tolist()

    def blend(x_target: Latent, x_source: Latent, sigma: float, bank: Bank, state: Any) -> tuple[Latent, Any]:
        if sigma not in active:
            return x_target, state
        garment = worn.trajectory.xs[levels.index(sigma) + 1].to(x_target)
        mask, region = (on_latent(m.to(x_target), x_target.shape) for m in (worn.mask, worn.region))
        moved = latent_adain(x_target, garment, region, mask)
        return torch.where(region > 0, x_target + region * (moved - x_target), x_target), state

    return Technique(blend=blend)
