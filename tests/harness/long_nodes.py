"""Every node that works for long, in miniature: for what a user sees while it runs, and what a cancel does."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .graph import Graph, Node
from .studio import Studio

NONCE = itertools.count(1)
FAMILY = "sd15"
FRAMES = 6


class Bench:
    """A tiny model whose evaluations are counted, two prompts and a latent, in an API prompt. Its nodes always run again."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.made = graph.add("TestFamily", family=FAMILY)
        self.model = graph.add("TestCounted", model=self.made, nonce=next(NONCE))
        self.source, self.target, self.latent = (self.made[i] for i in (1, 2, 3))
        self.negative = graph.add("TestPrompt", seed=9)

    def invert(self, steps: int, method: str = "ddim", node: str = "InversionDDIMInvert", **settings: Any) -> Node:
        given = {"model": self.model, "latent": self.latent, "source": self.source, "negative": self.negative}
        known = {"steps": steps, "method": method, "scheduler": "normal", "guidance": 1.0}
        return self.graph.add(node, **given | known | settings)

    def null_text(self, trajectory: Node, **settings: Any) -> Node:
        given = {"model": self.model, "trajectory": trajectory, "source": self.source, "empty": self.negative}
        return self.graph.add("InversionNullTextOptimize", **given | settings)

    def edit(self, node: str, **settings: Any) -> Node:
        given = {"model": self.model, "source": self.source, "target": self.target, "negative": self.negative}
        own = {"settings": "as set below", "guidance": 3.0, "source_guidance": 1.0}
        return self.graph.add(node, **given | ({} if node == "InversionEditSampler" else own) | settings)

    def mask(self, trajectory: Node, method: str) -> Node:
        given = {"model": self.model, "trajectory": trajectory, "source": self.source, "target": self.target}
        return self.graph.add("InversionEditMask", **given, method=method, level=0.0)

    def clip(self, steps: int) -> Node:
        frames = self.graph.add("TestLatent", channels=4, batch=FRAMES)
        given = {"model": self.model, "latent": frames, "source": self.source}
        return self.graph.add("InversionVideoInvert", **given, steps=steps, scheduler="normal", together=2)

    def edited_clip(self, trajectory: Node) -> Node:
        given = {"model": self.model, "trajectory": trajectory, "source": self.source, "target": self.target}
        known = {"negative": self.negative, "guidance": 3.0, "together": 2, "window": 4}
        return self.graph.add("InversionVideoEdit", **given | known)


@dataclass(frozen=True)
class Work:
    """A node at work: how it is put into a bench for so many steps, what it says that it does, and whether it shows the
    source beside its result."""

    name: str
    made: Callable[[Bench, int], Node]
    says: tuple[str, ...]
    beside: bool = False
    weight: float = 1.0
    """Evaluations in a step, against one."""

    def steps(self, evaluations: int) -> int:
        """Steps that ask the network about so often."""
        return max(3, round(evaluations / self.weight))


def _inverted(method: str, node: str, weight: float = 1) -> Work:
    return Work(method, lambda bench, steps: bench.invert(steps, method, node), ("inverting",), weight=weight)


def _edited(
    name: str, node: str, inversion: str = "ddim", by: str = "InversionDDIMInvert", guidance: float = 1.0
) -> Work:
    def made(bench: Bench, steps: int) -> Node:
        trajectory = bench.invert(steps, inversion, by, guidance=guidance)
        return bench.edit(node, trajectory=trajectory, method=name, source_guidance=guidance)

    return Work(f"edit by {name}", made, ("editing",), True, 4)


def _null_text(bench: Bench, steps: int) -> Node:
    given = {"trajectory": bench.invert(steps), "method": "null-text", "source_guidance": 3.0}
    return bench.edit("InversionGuidanceEdit", **given)


def _free(bench: Bench, steps: int) -> Node:
    return bench.edit("InversionFreeEdit", latent=bench.latent, method="FlowEdit", steps=steps, scheduler="normal")


def _sampled(bench: Bench, steps: int) -> Node:
    mutual = bench.graph.add("InversionMutualAttention")
    return bench.edit("InversionEditSampler", trajectory=bench.invert(steps), attention_edit=mutual)


WORKS = (
    _inverted("ddim", "InversionDDIMInvert"),
    _inverted("fixed point", "InversionFixedPointInvert", 20),
    _inverted("ReNoise", "InversionFixedPointInvert", 11),
    _inverted("EDICT", "InversionExactInvert", 2),
    _inverted("edit-friendly DDPM", "InversionStochasticInvert"),
    _inverted("RF-Inversion", "InversionRFInvert"),
    Work("null text", lambda b, n: b.null_text(b.invert(n), inner_steps=3, early_stop=0.0), ("optimising",), True, 5),
    Work("edit sampler", _sampled, ("editing",), True, 4),
    _edited("h-Edit-D", "InversionAnchoredEdit"),
    Work("edit by null-text", _null_text, ("optimising", "editing"), True, 20),
    _edited("EDICT", "InversionExactEdit", "EDICT", "InversionExactInvert", 3.0),
    _edited("LEDITS++", "InversionStochasticEdit", "edit-friendly DDPM", "InversionStochasticInvert"),
    _edited("RF-Inversion", "InversionFlowControlEdit", "RF-Inversion", "InversionRFInvert"),
    Work("free edit", _free, ("editing",), True, 6),
    Work("video invert", lambda b, n: b.clip(n), ("inverting",), weight=3),
    Work("video edit", lambda b, n: b.edited_clip(b.clip(n)), ("editing",), True, 20),
    Work("Uni-Edit mask", lambda b, n: b.mask(b.invert(n), "Uni-Edit"), ("computing the mask",), True, 2),
)
NAMES = [work.name for work in WORKS]


class Toybox(Studio):
    """What needs a text encoder or a VAE, on the toybox."""

    def compare_methods(self, steps: int) -> Node:
        given = {"model": self.model, "vae": self.vae, "image": self.scene, "source": self.source}
        known = {"target": self.target, "negative": self.negative, "methods": "direct, null-text, FlowEdit"}
        return self.graph.add("InversionCompare", **given | known, steps=steps, scheduler="normal")

    def words(self) -> Node:
        given = {"model": self.model, "trajectory": self.inverted, "clip": self.clip, "image": self.scene}
        return self.graph.add("InversionAttentionView", **given, prompt=self.scene[1], words="shirt")

    def mask(self) -> Node:
        given = {"model": self.model, "trajectory": self.inverted, "source": self.source, "target": self.target}
        return self.graph.add("InversionEditMask", **given, method="DiffEdit")

    def clip_of(self, frames: int) -> Node:
        return self.graph.add("InversionToyboxVideo", seed=23, change="time: night", frames=frames)

    def encoded(self, frames: int = 1, steps: int = 0) -> Node:
        image = self.clip_of(frames)
        return self.graph.add("InversionEncode", image=image, vae=self.vae, refine_steps=steps)

    def decoded(self, frames: int) -> Node:
        latent = self.graph.add("TestLatent", channels=16, batch=frames)
        return self.graph.add("InversionDecode", latent=latent, vae=self.vae)
