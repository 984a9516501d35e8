"""A valid prompt beside which mistakes are made, and what a mistake is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..graph import Graph, Node
from ..studio import Studio

SUFFIX, NULL_TEXT = ".trajectory.safetensors", ".null-text.safetensors"
FOLDER = "mistakes"
NAN, INFINITY = float("nan"), float("inf")
HALF, TERMINAL = "\ud800", "\x1b[2J\u202e"
"""Half of a character, which JSON can hold and no log can write; what steers a terminal and turns the direction of writing."""


class Bench(Studio):
    """The toybox, one of its pictures, its inversion in two steps and an edit of it; mistakes are made beside them."""

    def __init__(self, info: dict[str, Any], nonce: int = 0) -> None:
        super().__init__(Graph(info), steps=2)
        again = self.graph.add("TestAgain", conditioning=self.target, nonce=nonce)
        self.edited = self.sample(target=again, attention_edit=self.attention)
        self.shown = self.show(self.edited)
        self.others: dict[str, Node] = {}

    def invert(self, **settings: Any) -> Node:
        return super().invert(**{"steps": 2} | settings)

    def null_text(self, **settings: Any) -> Node:
        return super().null_text(**{"inner_steps": 0} | settings)

    def add(self, kind: str, **inputs: Any) -> Node:
        return self.graph.add(kind, **inputs)

    def family(self, name: str) -> Node:
        """A model in miniature, two prompts, a latent."""
        self.others[name] = self.others.get(name) or self.add("TestFamily", family=name)
        return self.others[name]

    def inverted_of(self, family: str, **settings: Any) -> Node:
        made = self.family(family)
        given = {"model": made[0], "latent": made[3], "source": made[1], "steps": 2, "scheduler": "simple"}
        return self.add("InversionDDIMInvert", **given | settings)

    def edited_of(self, family: str, kind: str = "InversionEditSampler", **settings: Any) -> Node:
        made = self.family(family)
        given = {"model": made[0], "source": made[1], "target": made[2], "negative": made[2]}
        trajectory = {} if "trajectory" in settings else {"trajectory": self.inverted_of(family)}
        return self.add(kind, **given | trajectory | settings)

    @property
    def words(self) -> dict[str, Node | list[Any]]:
        return {"source": self.source, "target": self.target, "negative": self.negative}

    def by(self, kind: str, **settings: Any) -> Node:
        """A node that edits the portrait by a method's name."""
        return self.add(kind, **{"model": self.model, "trajectory": self.inverted} | self.words | settings)

    def other_inversion(self, kind: str, **settings: Any) -> Node:
        given = {"model": self.model, "latent": self.latent, "source": self.source, "negative": self.negative}
        return self.add(kind, **given | {"steps": 2} | settings)

    def mask(self, value: float = 1.0, width: int = 128, height: int = 128) -> Node:
        return self.add("SolidMask", value=value, width=width, height=height)

    def tensor(self, shape: str, spoilt: str = "no") -> Node:
        """A picture, a mask and a latent of this shape."""
        return self.add("TestTensor", shape=shape, spoilt=spoilt)

    def encode(self, **settings: Any) -> Node:
        return self.add("InversionEncode", **{"image": self.scene, "vae": self.vae} | settings)

    def odd_prompt(self, shape: str = "") -> Node:
        return self.add("TestOddPrompt", shape=shape)

    def view(self, **settings: Any) -> Node:
        given = {"model": self.model, "trajectory": self.inverted, "clip": self.clip, "image": self.scene}
        return self.add(
            "InversionAttentionView", **given | {"prompt": self.scene[1], "looks": 1, "spread": 0} | settings
        )

    def with_edit(self, edit: Node, **settings: Any) -> Node:
        return self.sample(attention_edit=edit, **settings)

    def portrait(self, steps: int = 2, **scene: Any) -> Node:
        """The trajectory of another portrait."""
        other = self.add("InversionToyboxScene", **{"seed": 33, "change": "time: night"} | scene)
        return self.invert(latent=self.encode(image=other), steps=steps)

    def garment(self, **settings: Any) -> Node:
        given = {"garment": self.inverted, "garment_prompt": self.source}
        given |= {"garment_mask": self.mask(), "region": self.mask()}
        return self.add("InversionGarmentReference", **given | settings)

    def style(self, **settings: Any) -> Node:
        return self.add("InversionStyleReference", **{"style": self.inverted, "style_prompt": self.source} | settings)

    def strip(self, **settings: Any) -> Node:
        return self.add(
            "InversionTrajectoryView", **{"trajectory": self.inverted, "vae": self.vae, "frames": 2} | settings
        )

    def before_after(self, **settings: Any) -> Node:
        return self.add("InversionBeforeAfter", **{"before": self.scene, "after": self.scene} | settings)

    def load(self, name: str) -> Node:
        return self.add("InversionLoadTrajectory", file=f"{FOLDER}/{name}{SUFFIX} [input]")

    def save(self, prefix: str) -> Node:
        return self.add("InversionSaveTrajectory", trajectory=self.inverted, filename_prefix=prefix)

    def clip_of(self, frames: int) -> Node:
        return self.add("InversionToyboxVideo", frames=frames, change="time: night", seed=23)


@dataclass(frozen=True)
class Mistake:
    """A bad input: `build` adds it and gives the node that must refuse it with a sentence of the words in `says`."""

    name: str
    build: Callable[[Bench], Node]
    says: tuple[str, ...]
    where: str = "at its node"

    def __str__(self) -> str:
        return self.name


def before(name: str, build: Callable[[Bench], Node], *says: str) -> Mistake:
    """A mistake that is refused before anything runs."""
    return Mistake(name, build, says, "before")


def choice(name: str, build: Callable[[Bench], Node], *says: str) -> Mistake:
    """A choice that does not exist: newer ComfyUIs refuse it before anything runs, older ones leave it to the node."""
    return Mistake(name, build, says, "either")


def late(name: str, build: Callable[[Bench], Node], *says: str) -> Mistake:
    """A mistake that is refused when its node runs."""
    return Mistake(name, build, says)


def linked(bench: Bench, text: str) -> Node:
    """A text that comes through a link, which is not seen before its node runs."""
    return bench.add("PrimitiveString", value=text)
