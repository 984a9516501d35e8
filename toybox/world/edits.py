"""Edits with a true answer: a held-out scene, the change that is asked for, and the picture it must become."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .captions import caption
from .draw import render
from .scene import ATTRIBUTES, HELD_OUT_SEEDS, Scene

KINDS = ("time", "fur", "accessory", "shirt", "pattern", "animal", "place", "style")
COLOURS = ("fur", "accessory_color", "shirt")  # a sketch does not show them
_FIRST_SEED = HELD_OUT_SEEDS + 2**20  # away from `held_out_scenes`
VISIBLE = 0.04  # change of a colour channel that counts as an edit


@dataclass(frozen=True)
class Edit:
    """A source scene, and the target scene that differs in what the name says."""

    name: str
    source: Scene
    target: Scene

    @property
    def source_caption(self) -> str:
        """The canonical caption of the source."""
        return caption(self.source)

    @property
    def target_caption(self) -> str:
        """The canonical caption of the target."""
        return caption(self.target)

    @property
    def changed(self) -> tuple[str, ...]:
        """The attributes whose values differ."""
        return tuple(name for name in ATTRIBUTES if getattr(self.source, name) != getattr(self.target, name))


def visible_attributes(scene: Any) -> tuple[str, ...]:
    """Return the attributes that the picture of a scene, or of what was read as one, shows: no colours in a sketch, no colour of a missing accessory."""
    hidden = set(COLOURS) if scene.style == "sketch" else set()
    if scene.accessory == "none":
        hidden.add("accessory_color")
    return tuple(name for name in ATTRIBUTES if name not in hidden)


def edit_mask(scene: Scene, other: Scene) -> Tensor:
    """Return where the two pictures differ: bool [128, 128]."""
    first, second = render([scene, other])
    return (first - second).abs().amax(0) > VISIBLE


def held_out_edits(count: int, *, kinds: Sequence[str] = KINDS) -> list[Edit]:
    """Return edits of scenes that training never saw, the kinds taking turns; the same list every time.

    Edits start from photos and paintings, whose colours show; sketches are targets of style edits. Accessory edits
    put glasses or a hat on a bare head.

    Raises:
        ValueError: a kind that is not in `KINDS`.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise ValueError(f"unknown kind of edit {', '.join(unknown)}; choose from {', '.join(KINDS)}")
    edits, seed = [], _FIRST_SEED
    while len(edits) < count:
        kind = kinds[len(edits) % len(kinds)]
        edit = _edit_of(seed, kind)
        seed += 1
        if edit is not None:
            edits.append(edit)
    return edits


def _edit_of(seed: int, kind: str) -> Edit | None:
    """Return the seed's edit of a kind, or None where its scene does not suit the kind."""
    source = Scene.from_seed(seed)
    before = getattr(source, kind)
    if source.style == "sketch" or (kind == "accessory" and before != "none"):
        return None
    after = random.Random(seed).choice([value for value in ATTRIBUTES[kind] if value != before])
    return Edit(f"{kind}: {before} to {after}", source, source.replace(**{kind: after}))
