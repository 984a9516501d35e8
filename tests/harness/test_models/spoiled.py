"""Nodes that make what ComfyUI's own nodes cannot: values that are broken, empty or of an odd shape."""

from typing import Any

import torch

SPOILS = {"no": None, "nan": float("nan"), "infinity": float("inf")}


class Anything(str):
    """A socket that takes every type."""

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = str.__hash__


def tensor(shape: str, spoilt: str) -> torch.Tensor:
    """A random tensor of a shape like '1,4,8,8', three values of which are spoilt."""
    made = torch.rand([int(size) for size in shape.split(",")], generator=torch.Generator().manual_seed(0))
    if SPOILS[spoilt] is not None:
        made.view(-1)[:3] = SPOILS[spoilt]
    return made


class TestTensor:
    """A tensor of any shape as a picture, a mask and a latent."""

    INPUT_TYPES = classmethod(
        lambda cls: {"required": {"shape": ("STRING", {"default": "1,64,64,3"}), "spoilt": (list(SPOILS),)}}
    )
    RETURN_TYPES, FUNCTION, CATEGORY = ("IMAGE", "MASK", "LATENT"), "make", "tests"

    def make(self, shape: str, spoilt: str) -> tuple[Any, ...]:
        made = tensor(shape, spoilt)
        return made, made, {"samples": made}


class TestNothing:
    """What a loader gives of parts that its file does not hold."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ("MODEL", "CLIP", "VAE", "CONDITIONING", "LATENT")
    FUNCTION, CATEGORY = "make", "tests"

    def make(self) -> tuple[None, ...]:
        return (None,) * 5


class TestOddPrompt:
    """A conditioning that is empty, of another text encoder's width, or a batch of several."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"shape": ("STRING", {"default": ""})}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("CONDITIONING",), "make", "tests"

    def make(self, shape: str) -> tuple[Any]:
        return ([[tensor(shape, "no"), {}]] if shape else [],)


class TestAgain:
    """The same conditioning, so that what hangs on it runs again."""

    INPUT_TYPES = classmethod(
        lambda cls: {"required": {"conditioning": ("CONDITIONING",), "nonce": ("INT", {"default": 0})}}
    )
    RETURN_TYPES, FUNCTION, CATEGORY = ("CONDITIONING",), "give", "tests"

    def give(self, conditioning: Any, nonce: int) -> tuple[Any]:
        return (conditioning,)


class TestSink:
    """Makes whatever it is connected to run."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": (Anything("*"), {})}})
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "take", "tests", True

    def take(self, value: Any) -> dict[str, Any]:
        return {"ui": {"took": [type(value).__name__]}}


NODES = (TestTensor, TestNothing, TestOddPrompt, TestAgain, TestSink)
