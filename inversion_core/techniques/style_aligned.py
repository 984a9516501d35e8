"""StyleAligned: attention shared with a picture whose style is wanted (arXiv:2312.02133)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from ..attention.bank import Bank
from ..attention.reference import adain, image_rows, image_tokens, name_for, recall_image, record_image, with_image
from ..attention.site import Attend, Site
from ..attention.technique import Pass, Reference, Technique
from ..attention.weighted import weighted
from ..shapes import Heads
from ..trajectory import Trajectory
from ..types import Cond, SigmaRange


@dataclass(frozen=True)
class Sharing:
    """How strongly the reference's keys count: they are multiplied by `scale`, and their logits shifted by `shift`.

    `normalised` moves queries and keys to the reference's mean and spread first. With `norms` a UNet's group normalisations
    take mean and spread of both pictures together. A `shift` of minus infinity shares nothing at all.
    """

    shift: float = math.log(2)
    scale: float = 1.0
    normalised: bool = True
    norms: bool = True


Moments: TypeAlias = Float[Tensor, "pictures 1 1 dim"]
"""A figure of every channel, of one picture or of each."""

PUBLISHED = Sharing()
"""The usual settings of the published code for real references, SDXL."""


def style_aligned(
    trajectory: Trajectory,
    cond: Cond,
    *,
    active: SigmaRange,
    sharing: Sharing = PUBLISHED,
    where: Callable[[Site], bool] = image_tokens,
) -> Technique:
    """The image attends to its own keys and to the reference's, in the steps of `active` (arXiv:2312.02133, sec. 3).

    `softmax([Q' K'^T, scale Q' K_r^T + shift]) [V, V_r]` with Q' = AdaIN(Q, Q_r) and K' = AdaIN(K, K_r). Both branches
    of guidance see the reference's conditional one. `where` chooses among attention calls.
    """
    name = name_for("StyleAligned", trajectory)

    def chosen(site: Site) -> bool:
        return site.kind == "norm" or where(site)

    def inject(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        if math.isinf(sharing.shift):
            return attend(q, k, v)
        if site.kind == "norm":
            shared = torch.cat([v, stand_in(v, *bank.recall(name, site.on("cond")))], 2)
            return attend(shared, shared, shared)[:, :, : v.shape[2]]
        q_ref, k_ref, v_ref = recall_image(bank, name, site, len(q))
        q_image, keys = q[:, :, site.image], k
        if sharing.normalised:
            q_image = adain(q_image, q_ref)
            keys = with_image(k, site, adain(k[:, :, site.image], k_ref))
        keys, values = torch.cat([keys, sharing.scale * k_ref], 2), torch.cat([v, v_ref], 2)
        counts = torch.ones(1, 1, keys.shape[2], 1, device=v.device)
        counts[:, :, k.shape[2] :] = math.exp(sharing.shift)
        image = attend(q_image, keys, values) if sharing.shift == 0 else weighted(attend, q_image, keys, values, counts)
        return image_rows(attend, q, k, v, site, image)

    reference = Reference(trajectory, cond, record_image(name, chosen, norms=sharing.norms))
    attending = Pass("StyleAligned", chosen, inject, norms=sharing.norms, active=active)
    return Technique(inject=attending, reference=reference)


def stand_in(values: Heads, mean: Moments, spread: Moments) -> Heads:
    """As many tokens as `values` has, of the mean and spread given: what a normalisation sees of another picture."""
    count = values.shape[2]
    signs = torch.ones(count, device=values.device)
    signs[1::2] = -1
    signs[count - count % 2 :] = 0
    tokens = mean + spread * (signs / signs.square().mean().sqrt().clamp(min=1e-6))[:, None]
    return tokens.to(values.dtype).expand_as(values)
