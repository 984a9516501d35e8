"""What an edit sees of another picture: the queries, keys and values of its image tokens at the same site and step."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from ..shapes import Heads, Latent
from ..trajectory import Trajectory
from .bank import Bank
from .site import Attend, Site
from .technique import Pass

EPSILON = 1e-5
"""Added to a variance before its root, as in the published code of StyleAligned (arXiv:2312.02133)."""


def image_tokens(site: Site) -> bool:
    """Attention among image tokens: self-attention of UNets, and joint attention."""
    return site.kind in ("self", "joint")


def name_for(technique: str, trajectory: Trajectory) -> str:
    """A name in the bank that no other picture's recording has."""
    return f"{technique}, image {id(trajectory):x}"


def record_image(name: str, where: Callable[[Site], bool], *, norms: bool = False) -> Pass:
    """A pass that changes nothing and records q, k and v of the conditional branch's image tokens as `name`.

    At normalisations, where `norms` asks for them, it records mean and spread of every channel.
    """

    def apply(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        if site.kind == "norm":
            variance, mean = torch.var_mean(v.float(), 2, correction=0, keepdim=True)
            bank.record(name, site, mean, variance.sqrt())
        else:
            bank.record(name, site, *(t[:, :, site.image] for t in (q, k, v)))
        return attend(q, k, v)

    return Pass(name, lambda site: site.branch == "cond" and where(site), apply, norms=norms)


def recall_image(bank: Bank, name: str, site: Site, rows: int) -> tuple[Heads, Heads, Heads]:
    """What `record_image` recorded at the site, one picture for all of `rows` if there is but one, else row by row."""
    q, k, v = (t.expand(rows, -1, -1, -1) if len(t) == 1 else t for t in bank.recall_cond(name, site))
    return q, k, v


def image_rows(attend: Attend, q: Heads, k: Heads, v: Heads, site: Site, image: Heads) -> Heads:
    """The call's result with `image` in place of the image's queries' part; a prompt's own queries are left alone."""
    if site.kind == "self":
        return image
    at = site.image
    before, after = (
        attend(part, k, v) if part.shape[2] else part for part in (q[:, :, : at.start], q[:, :, at.stop :])
    )
    return torch.cat([before, image, after], 2)


def with_image(tokens: Heads, site: Site, image: Heads) -> Heads:
    """`tokens` with their image tokens replaced."""
    return torch.cat([tokens[:, :, : site.image.start], image, tokens[:, :, site.image.stop :]], 2)


def adain(tokens: Heads, reference: Heads) -> Heads:
    """AdaIN over tokens: `(t - mean(t)) / std(t) * std(r) + mean(r)` for every head and channel (arXiv:1703.06868, eq. 8)."""
    (mean, std), (wanted, spread) = (_moments(t, 2) for t in (tokens, reference))
    return ((tokens - mean) / std * spread + wanted).to(tokens.dtype)


def latent_adain(
    x: Latent,
    reference: Float[Tensor, "pictures channels *other"],
    inside: Tensor | None = None,
    reference_inside: Tensor | None = None,
) -> Latent:
    """AdaIN of every channel of `x` towards `reference`, over the places that the masks weigh (None: all of them).

    The whole of `x` is moved; what lies outside is the caller's to keep. A mask that is empty leaves `x` as it is.
    """
    weights = [
        torch.ones_like(t[:, :1]) if m is None else m.to(t) for t, m in ((x, inside), (reference, reference_inside))
    ]
    (mean, std), (wanted, spread) = (_weighed(t, w) for t, w in zip((x, reference.to(x)), weights, strict=True))
    moved = (x - mean) / std * spread + wanted
    empty = torch.stack([(w.flatten(1).sum(1) == 0).expand(len(x)) for w in weights]).any(0)
    return torch.where(empty.view(-1, *[1] * (x.ndim - 1)), x, moved)


def on_latent(mask: Float[Tensor, "masks 1 _ _"], shape: Sequence[int]) -> Float[Tensor, "masks 1 *space"]:
    """The masks at the height and width of latents of `shape`, as shares of their places; alike in all frames."""
    fitted = interpolate(mask.float(), (shape[-2], shape[-1]), mode="area")
    return fitted[:, :, None] if len(shape) == 5 else fitted


def _moments(tokens: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    variance, mean = torch.var_mean(tokens.float(), dim, keepdim=True)
    return mean, (variance + EPSILON).sqrt()


def _weighed(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    space = tuple(range(2, x.ndim))
    total = weights.sum(space, keepdim=True).clamp(min=EPSILON)
    mean = (x * weights).sum(space, keepdim=True) / total
    variance = ((x - mean).square() * weights).sum(space, keepdim=True) / total
    return mean, (variance + EPSILON).sqrt()
