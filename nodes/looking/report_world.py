"""Whether an image is from outside the world of the model that edits it, which only the toybox can say."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from torch import Tensor

from ..files.workflow_origin import Spot

LOADER = "InversionToyboxLoader"


def outside(image: Tensor, hidden: Any) -> str:
    """The toybox's sentence about an IMAGE, if the toybox is above the node of the hidden inputs and the image is none of its world."""
    if hidden is None or LOADER not in _kinds_above(Spot(hidden.prompt or {}, {}, str(hidden.unique_id))):
        return ""
    return str(_toybox().about_image(image))


def _kinds_above(node: Spot) -> Iterator[str]:
    met, left = {node.id}, [node]
    while left:
        node = left.pop()
        for spot, _ in filter(None, map(node.above, node.inputs)):
            if spot.id not in met:
                met.add(spot.id)
                left.append(spot)
                yield spot.kind


@cache
def _toybox() -> Any:
    from ...toybox.hosts.comfy_loader import load_vae
    from ...toybox.weights import read_state

    return load_vae(read_state("vae"))
