"""KV-Edit (arXiv:2502.17363): only the tokens of a mask are made anew, the background is the source's own, bit for bit."""

from collections.abc import Callable

import torch

from ..attention.bank import Bank
from ..attention.edited_call import bare
from ..attention.image_tokens import Inside, recall_source, share_inside, shares, with_source
from ..attention.site import Attend, Site
from ..attention.technique import Pass, Technique
from ..shapes import Heads, LatentMask
from ..types import SigmaRange
from .local_blend import mask_blend

NAME = "KV-Edit"  # of what it records


def kv_edit(mask: LatentMask, *, active: SigmaRange, where: Callable[[Site], bool] | None = None) -> Technique:
    """Image tokens that touch `mask`, and the text's, attend to themselves and to the source's background; the rest is the source's.

    In the steps of `active`, at the self- and joint attention that `where` names (all): k and v of image tokens outside
    are the source's at the step's own level (published code has those of the way up, a level cleaner), and so is what
    their attention gave; only the other queries are computed. After every step the
    latent outside of the mask is the source's, as in `mask_blend`, whose softness it has. A mask of 0 reconstructs, a
    mask of 1 injects nothing. Both guidance branches take what the source has on theirs, or on its conditional one.
    Put it outside of all other edits. Raises ValueError if the mask leaves 0..1; applying it UnmatchedEdit if no site matches.
    """

    def record(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        out = attend(q, k, v)
        bank.record(NAME, site, *(t[:, :, site.image] for t in (k, v, out)))
        return out

    def inject(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        inside = share_inside(mask, site, len(q)) > 0
        if bool(inside.all()):
            return attend(q, k, v)
        k_source, v_source, out_source = recall_source(bank, NAME, site)
        k, v = with_source(k, k_source, site, inside), with_source(v, v_source, site, inside)
        if not bare(attend):
            return with_source(attend(q, k, v), out_source, site, inside)
        return attend_inside(attend, q, k, v, site, inside, out_source)

    there, (source, target) = shares(where), (f"{NAME}, {role}" for role in ("source", "target"))
    passes = Pass(source, there, record, active=active), Pass(target, there, inject, active=active)
    return Technique(*passes, mask_blend(mask).blend)


def attend_inside(attend: Attend, q: Heads, k: Heads, v: Heads, site: Site, inside: Inside, out_source: Heads) -> Heads:
    """Attention of the tokens `inside` and of the text; for the rest what the source's gave, without a computation.

    Where rows differ in how many tokens are inside, those with fewer compute some of the rest too, to no effect.
    """
    rows, heads = q.shape[:2]
    most = int(inside.sum(1).max())
    index = inside.float().topk(most, dim=1).indices.to(q.device)[:, None, :, None].expand(rows, heads, -1, -1)
    at = site.image
    image = q[:, :, at].gather(2, index.expand(-1, -1, -1, q.shape[3]))
    before, after = q[:, :, : at.start], q[:, :, at.stop :]
    queries = torch.cat([before, image, after], 2)
    if not queries.shape[2]:
        return out_source
    out = attend(queries, k, v)
    head, new, tail = out.split([before.shape[2], most, after.shape[2]], 2)
    image = out_source.scatter(2, index.expand_as(new), new)
    image = torch.where(inside[:, None, :, None].to(q.device), image, out_source)
    return torch.cat([head, image, tail], 2)
