"""StyleID: the content's queries on the style's keys and values (arXiv:2312.09008)."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..attention.bank import Bank
from ..attention.reference import image_rows, latent_adain, name_for, recall_image, record_image, with_image
from ..attention.site import Attend, Site
from ..attention.technique import Pass, Reference, Technique
from ..shapes import Heads, Latent
from ..trajectory import Trajectory
from ..types import Cond, SigmaRange


@dataclass(frozen=True)
class Injection:
    """`query` is the share of the content's queries in the blend, `temperature` what the logits are multiplied by, `start` whether the first latent takes the style's statistics."""

    query: float = 0.75
    temperature: float = 1.5
    start: bool = True


PUBLISHED = Injection()
"""The usual settings of the published code, on Stable Diffusion 1.4 with 50 steps."""

LAYER = 6
"""The first of the decoder's layers whose self-attention is changed, of 12 in Stable Diffusion 1 (published code)."""


def first_layer(layers: Sequence[int]) -> int:
    """The published first layer where the decoder has self-attention there or after it, else the middle one of the `layers` that have it."""
    return LAYER if max(layers, default=LAYER) >= LAYER else sorted(layers)[len(layers) // 2]


def check_layer(layer: int, layers: Sequence[int]) -> None:
    """Raises ValueError if no layer from `layer` on is among a decoder's `layers` with self-attention; a transformer has none of those."""
    if layers and max(layers) < layer:
        raise ValueError(
            f"StyleID changes self-attention from the decoder's layer {layer} on, but the last layer of this network that has "
            f"any is {max(layers)}. Set a smaller layer, such as {first_layer(layers)}."
        )


def style_id(
    trajectory: Trajectory, cond: Cond, *, active: SigmaRange, injection: Injection = PUBLISHED, layer: int = LAYER
) -> Technique:
    """The style's keys and values in the place of the image's own, in the steps of `active` (arXiv:2312.09008, eq. 4-6).

    `softmax(T (g Q_content + (1 - g) Q) K_style^T) V_style`, and the target starts at `latent_adain(x, x_style)`
    (eq. 8). The content is what the source pass records; both branches of guidance see the conditional ones. Published
    without any prompts. In UNets it acts from the decoder's `layer` on, in transformers on all joint attention.
    """
    style, content = name_for("StyleID", trajectory), "StyleID, content"

    def where(site: Site) -> bool:
        return site.kind == "joint" or (site.kind == "self" and site.layer is not None and site.layer >= layer)

    def inject(bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        q_image = q[:, :, site.image]
        q_content = q_image if injection.query == 0 else recall_image(bank, content, site, len(q))[0]
        _, k_style, v_style = recall_image(bank, style, site, len(q))
        blended = q_image.lerp(q_content.to(q_image), injection.query)
        keys, values = with_image(k, site, k_style), with_image(v, site, v_style)
        image = attend(injection.temperature * blended, keys, values)
        return image_rows(attend, q, k, v, site, image)

    def begin(x: Latent, sigma: float) -> Latent:
        return latent_adain(x, trajectory.xs[trajectory.sigmas.tolist().index(sigma)])

    return Technique(
        record=record_image(content, where),
        inject=Pass("StyleID", where, inject, active=active),
        reference=Reference(trajectory, cond, record_image(style, where)),
        begin=begin if injection.start else None,
    )
