"""The toybox, one of its pictures, and its inversion, in an API prompt."""

import itertools
from typing import Any

import numpy as np
from PIL import Image

from harness.events import Result
from harness.graph import Graph, Node

STEPS = 5
SEED = 23
NONCE = itertools.count()


class Studio:
    """The toybox, one of its pictures, and its inversion, in an API prompt."""

    on_unet = True

    def __init__(
        self, graph: Graph, *, change: str = "time: night", steps: int = STEPS, seed: int = SEED, **loader: Any
    ) -> None:
        self.graph = graph
        self.toybox = graph.add("InversionToyboxLoader", **loader)
        self.model, self.clip, self.vae = (self.toybox[i] for i in range(3))
        self.scene = graph.add("InversionToyboxScene", seed=seed, change=change)
        self.attention = self.edit()
        self.source, self.target = self.attention[1], self.attention[2]
        self.negative = graph.add("CLIPTextEncode", clip=self.clip, text="")
        self.latent = graph.add("InversionEncode", image=self.scene, vae=self.vae)
        self.inverted = self.invert(steps=steps)

    def edit(self, **settings: Any) -> Node:
        given = {"clip": self.clip, "source_prompt": self.scene[1], "target_prompt": self.scene[2]}
        return self.graph.add("InversionAttentionEdit", **given | settings)

    def invert(self, **settings: Any) -> Node:
        given = {"model": self.model, "latent": self.latent, "source": self.source}
        return self.graph.add("InversionDDIMInvert", **given | settings)

    def null_text(self, **settings: Any) -> Node:
        given = {"model": self.model, "trajectory": self.inverted, "source": self.source, "empty": self.negative}
        return self.graph.add("InversionNullTextOptimize", **given | {"inner_steps": 2} | settings)

    def sample(self, **settings: Any) -> Node:
        given = {"model": self.model, "trajectory": self.inverted, "source": self.source, "target": self.target}
        return self.graph.add("InversionEditSampler", **given | {"negative": self.negative} | settings)

    def show(self, latent: Any, **settings: Any) -> Node:
        picture = self.graph.add("InversionDecode", latent=latent, vae=self.vae, **settings)
        return self.graph.add("PreviewImage", images=picture)

    def compare(self, a: Any, b: Any) -> Node:
        return self.graph.add("TestCompare", a=a, b=b)

    def leftovers(self, model: Any = None) -> Node:
        return self.graph.add("TestLeftovers", model=model or self.model, nonce=next(NONCE))


def pixels(image: Image.Image) -> np.ndarray:
    """The levels of a picture, 0..255."""
    return np.asarray(image.convert("RGB"), dtype=np.float64)


def error_of(result: Result, node: Node) -> float:
    """What a `compare` found in a run."""
    return result.outputs[node.id]["error"][0]
