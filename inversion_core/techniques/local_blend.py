"""Keeping the source outside the region of an edit (LocalBlend, arXiv:2208.01626, sec. 4, "Local editing")."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from ..attention.bank import Bank
from ..attention.maps import MapTensor, legible, mean_maps, quarter, readings, record_parts
from ..attention.site import Site
from ..attention.technique import Technique
from ..prompts.tokens import Parts
from ..shapes import Latent, LatentMask
from ..types import SigmaRange

THRESHOLD = 0.3  # of a word's strongest attention (published code)
START = 0.2  # fraction of the steps after which blending starts (published code)


def mask_blend(mask: LatentMask) -> Technique:
    """The source outside `mask` (0..1, any size, batch 1 or the latent's) after every step, the target inside."""
    if not bool(torch.isfinite(mask).all()) or float(mask.min()) < 0 or float(mask.max()) > 1:
        raise ValueError(f"A mask has values in 0..1; got {float(mask.min()):.3g} to {float(mask.max()):.3g}.")

    def blend(x_target: Latent, x_source: Latent, sigma: float, bank: Bank, state: Any) -> tuple[Latent, Any]:
        return _mixed(x_target, x_source, mask), state

    return Technique(blend=blend)


def local_blend(
    source: Parts,
    target: Parts,
    *,
    source_words: Sequence[str],
    target_words: Sequence[str],
    active: SigmaRange,
    threshold: float = THRESHOLD,
    where: Callable[[Site], bool] = legible,
) -> Technique:
    """The source outside the region where `source_words` or `target_words` draw attention, in the steps of `active`.

    The maps are averaged over the sites of `where`, at `quarter` of the latent's size if there are such, and summed over
    words and steps so far, widened by a 3 x 3 maximum, brought to the latent's size and cut at `threshold` of their
    maximum; the masks of source and target are united. The target's are those that act, as edits inside change them.
    Prompts of several parts are read where they have the words; in a step without them the region stays as it was. Raises
    ValueError if a word is not in its prompt or no word is given.
    """
    names = ("source words", "target words")
    prompts = zip(names, (source, target), (source_words, target_words), strict=True)
    sides = {name: record_parts(name, readings(tokens, words), where=where) for name, tokens, words in prompts if words}
    if not sides:
        raise ValueError("Local blend needs at least one word of the source or the target prompt, or a mask.")

    def blend(x_target: Latent, x_source: Latent, sigma: float, bank: Bank, state: Any) -> tuple[Latent, Any]:
        maps = {name: mean_maps(bank, name, quarter(x_target)) for name in sides if bank.named(name)}
        total = {name: maps.get(name, 0) + (state or {}).get(name, 0) for name in {**(state or {}), **maps}}
        if sigma not in active or not total:
            return x_target, total
        masks = [region(summed, x_target.shape[-2:], threshold) for summed in total.values()]
        return _mixed(x_target, x_source, torch.stack(masks).amax(0)), total

    return Technique(sides.get(names[0]), sides.get(names[1]), blend)


def region(maps: MapTensor, size: Sequence[int], threshold: float) -> LatentMask:
    """1 where the map, widened and brought to `size`, exceeds `threshold` of its maximum in its picture, else 0."""
    wide = interpolate(max_pool2d(maps.sum(1, keepdim=True), 3, stride=1, padding=1), tuple(size))
    peak = wide.amax((-2, -1), keepdim=True)
    return (wide > threshold * peak).to(maps.dtype)


def _mixed(x_target: Latent, x_source: Latent, mask: Tensor) -> Latent:
    size = x_target.shape[-2:]
    fitted = mask if mask.shape[-2:] == size else interpolate(mask, tuple(size), mode="bilinear", antialias=True)
    weight = fitted.to(x_target).clamp(0, 1)
    if x_target.ndim == 5:
        videos = x_target.shape[0] if len(weight) > 1 else 1
        weight = weight.unflatten(0, (videos, -1)).movedim(1, 2)
        if weight.shape[2] not in (1, x_target.shape[2]):
            raise ValueError(
                f"The attention maps show only {weight.shape[2]} of {x_target.shape[2]} frames, because context windows run the "
                "network on a part of the clip. Remove the context windows from the model, or give the region as a mask."
            )
    return weight * x_target + (1 - weight) * x_source
