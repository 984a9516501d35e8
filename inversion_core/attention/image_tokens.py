"""What techniques that share keys and values do with the image's tokens: recall the source's, put them in, tell regions apart."""

from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from ..shapes import Heads, LatentMask
from .bank import Bank
from .reference import image_tokens, with_image
from .site import Site

Inside = Bool[Tensor, "masks tokens"]
"""Which image tokens lie in a region: of every row of a call alike, or row by row."""


def shares(where: Callable[[Site], bool] | None = None) -> Callable[[Site], bool]:
    """The calls in which image tokens attend to image tokens, self- and joint attention, of those that `where` names."""
    return lambda site: image_tokens(site) and (where is None or where(site))


def recall_source(bank: Bank, name: str, site: Site) -> tuple[Heads, ...]:
    """What the source recorded on the site's own guidance branch, or if it is not guided on its conditional one.

    Raises LookupError if it recorded neither.
    """
    try:
        return bank.recall(name, site)
    except LookupError:
        return bank.recall_cond(name, site)


def with_source(tokens: Heads, source: Heads, site: Site, spared: Inside | None = None) -> Heads:
    """`tokens` with the source's image tokens, but for those that are `spared`."""
    if spared is not None:
        source = torch.where(spared[:, None, :, None].to(tokens.device), tokens[:, :, site.image], source)
    return with_image(tokens, site, source)


def visible_part(mask: LatentMask, site: Site) -> Float[Tensor, "masks 1 rows columns"]:
    """What a call shows of the picture, of a mask of the whole."""
    if site.window is None:
        return mask
    top, left, bottom, right = (round(edge * size) for edge, size in zip(site.window, 2 * mask.shape[-2:], strict=True))
    return mask[
        ..., min(top, mask.shape[-2] - 1) : max(bottom, top + 1), min(left, mask.shape[-1] - 1) : max(right, left + 1)
    ]


def share_inside(mask: LatentMask, site: Site, rows: int) -> Float[Tensor, "_ tokens"]:
    """How much of each image token lies inside `mask`: one for all of `rows`, one a row, or one a frame of each row.

    It lies where the mask does: on the CPU, where asking it costs a GPU no wait.
    """
    frames, height, width = site.grid
    share = interpolate(visible_part(mask, site).float(), (height, width), mode="area").flatten(1)
    if frames > 1:
        per_frame = len(share) == rows * frames
        share = rearrange(share, "(b f) n -> b (f n)", f=frames) if per_frame else share.repeat(1, frames)
    return share if site.rows is None or len(share) == 1 else share[list(site.rows)]
