"""A node pack of the tests: tiny models with random weights, and nodes that look at values."""

import copy
import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch

from . import counted, cutting, spoiled

SPEC = importlib.util.spec_from_file_location("tiny_comfy", Path(__file__).resolve().parent.parent / "tiny_comfy.py")
tiny_comfy = importlib.util.module_from_spec(SPEC)
sys.modules["tiny_comfy"] = tiny_comfy  # dataclasses look their module up
SPEC.loader.exec_module(tiny_comfy)


class TestModel:
    """Stable Diffusion 1 (eps) or SD3 (rectified flow) in miniature."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"kind": (["sd15", "sd3"],), "seed": ("INT", {"default": 0})}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL",), "make", "tests"

    def make(self, kind: str, seed: int) -> tuple[Any]:
        return ({"sd15": tiny_comfy.tiny_sd15, "sd3": tiny_comfy.tiny_sd3}[kind](seed),)


class TestPrompt:
    """A random conditioning for them."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"seed": ("INT", {"default": 0})}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("CONDITIONING",), "make", "tests"

    def make(self, seed: int) -> tuple[Any]:
        return (tiny_comfy.conditioning(seed, pooled=True),)


class TestLatent:
    """A random latent."""

    INPUT_TYPES = classmethod(
        lambda cls: {"required": {"channels": ("INT", {"default": 4}), "batch": ("INT", {"default": 1})}}
    )
    RETURN_TYPES, FUNCTION, CATEGORY = ("LATENT",), "make", "tests"

    def make(self, channels: int, batch: int) -> tuple[Any]:
        return ({"samples": tiny_comfy.latent(0, channels, batch)[..., :8]},)


class TestFamily:
    """A family of models in miniature, two prompts for it, and a latent."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"family": (list(tiny_comfy.FAMILIES),)}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL", "CONDITIONING", "CONDITIONING", "LATENT"), "make", "tests"

    def make(self, family: str) -> tuple[Any, ...]:
        made = tiny_comfy.FAMILIES[family]
        return made.model(), made.conditioning(0), made.conditioning(1), made.latent()


class TestClip:
    """A family's text encoder: its tokenizer, and random embeddings."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"family": (list(cutting.CLIPS),)}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("CLIP",), "make", "tests"

    def make(self, family: str) -> tuple[Any]:
        return (cutting.CLIPS[family](tiny_comfy.FAMILIES[family]),)


class TestSpelling:
    """The same text encoder, which takes words that it does not know for their letters."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"clip": ("CLIP",)}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("CLIP",), "make", "tests"

    def make(self, clip: Any) -> tuple[Any]:
        made = clip.clone()
        made.tokenizer = copy.copy(clip.tokenizer)
        made.tokenizer.about_words = lambda text: ""
        return (made,)


class TestLora:
    """The model with a random LoRA."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"model": ("MODEL",)}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL",), "patch", "tests"

    def patch(self, model: Any) -> tuple[Any]:
        return (tiny_comfy.with_lora(model),)


class TestVae:
    """A VAE for latents of pictures and videos."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("VAE",), "make", "tests"

    def make(self) -> tuple[Any]:
        return (tiny_comfy.StubVae(),)


class TestCompare:
    """How far two latents are apart, relative to the second."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"a": ("LATENT",), "b": ("LATENT",)}})
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "compare", "tests", True

    def compare(self, a: Any, b: Any) -> dict[str, Any]:
        first, second = a["samples"].double(), b["samples"].double()
        error = float((first - second).square().mean().sqrt() / second.square().mean().sqrt())
        return {"ui": {"error": [error], "shape": list(first.shape), "finite": [bool(torch.isfinite(first).all())]}}


class TestLeftovers:
    """What a run may have left in a model: patches, plain tensors in the place of inference tensors, other weights.

    A LoRA that is loaded at the time is no leftover: ComfyUI takes it out before the model runs without.
    """

    INPUT_TYPES = classmethod(lambda cls: {"required": {"model": ("MODEL",), "nonce": ("INT", {"default": 0})}})
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "look", "tests", True

    def look(self, model: Any, nonce: int) -> dict[str, Any]:
        import comfy.model_management as management

        options = model.model_options["transformer_options"]
        named, backup = model.model.diffusion_model.named_parameters(prefix="diffusion_model"), model.backup
        weights = [backup[name].weight if name in backup else p for name, p in named]
        total = float(sum(p.double().abs().sum() for p in weights))
        gradients = sum(p.grad is not None for p in weights)
        plain = sum(not p.is_inference() for p in weights)
        training = bool(getattr(management, "in_training", False))
        return {"ui": {"patches": [str(options)], "weights": [total, gradients, plain], "training": [training]}}


NODES = (
    TestModel,
    TestPrompt,
    TestLatent,
    TestFamily,
    TestClip,
    TestSpelling,
    TestLora,
    TestVae,
    TestCompare,
    TestLeftovers,
    *spoiled.NODES,
    *counted.NODES,
)
NODE_CLASS_MAPPINGS = {node.__name__: node for node in NODES}
