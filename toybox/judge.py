"""Reads pictures: which attribute values they show, and whether an edit did what it was asked to."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .models import Judge
from .world.edits import Edit, visible_attributes
from .world.scene import ATTRIBUTES, Scene


@dataclass(frozen=True)
class Verdict:
    """One picture of an edit: does it show the change, and which of the other attributes stayed?"""

    right: bool
    kept: dict[str, bool]

    @property
    def kept_share(self) -> float:
        """Share of the other visible attributes that kept their values."""
        return sum(self.kept.values()) / max(1, len(self.kept))


@torch.no_grad()
def probabilities(judge: Judge, images: Tensor, *, batch: int = 64) -> dict[str, Tensor]:
    """Return each attribute's probabilities [n, values] for pictures [n, 3, 128, 128] in [0, 1].

    Raises:
        ValueError: pictures of another shape.
    """
    if images.ndim != 4 or images.shape[1:] != (3, 128, 128):
        raise ValueError(f"the judge reads pictures [n, 3, 128, 128], got {list(images.shape)}")
    device = next(judge.parameters()).device
    parts = [judge(part.to(device).float()) for part in images.split(batch)]
    return {name: torch.cat([part[name] for part in parts]).softmax(-1).cpu() for name in ATTRIBUTES}


def readings(judge: Judge, images: Tensor) -> list[dict[str, str]]:
    """Return the likeliest value of every attribute for each picture."""
    likeliest = {name: values.argmax(-1).tolist() for name, values in probabilities(judge, images).items()}
    return [{name: ATTRIBUTES[name][likeliest[name][row]] for name in ATTRIBUTES} for row in range(len(images))]


def shows(judge: Judge, images: Tensor, scenes: Sequence[Scene]) -> list[dict[str, bool]]:
    """Say for each picture which visible attributes of its scene it shows rightly."""
    return [
        {name: seen[name] == getattr(scene, name) for name in visible_attributes(scene)}
        for seen, scene in zip(readings(judge, images), scenes, strict=True)
    ]


def edit_right(judge: Judge, images: Tensor, edits: Sequence[Edit]) -> list[Verdict]:
    """Judge one edited picture per edit; for many pictures of one edit repeat it.

    An added accessory must also have the colour that the caption names, unless the style hides colours.
    """
    verdicts = []
    for edit, shown in zip(edits, shows(judge, images, [edit.target for edit in edits]), strict=True):
        wanted = {*edit.changed, *(("accessory_color",) if "accessory" in edit.changed else ())}
        asked = [name for name in shown if name in wanted]
        kept = {name: value for name, value in shown.items() if name not in wanted}
        verdicts.append(Verdict(all(shown[name] for name in asked), kept))
    return verdicts
