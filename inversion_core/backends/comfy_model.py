"""What a ComfyUI model is: its noise path, its sigma grids, its fingerprint."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import comfy.model_management
import comfy.model_sampling
import comfy.samplers
import torch
from torch import Tensor

from ..fingerprint import digest, fingerprint
from ..paths import RF, VE, NoisePath
from ..shapes import Sigmas

ModelPatcher: TypeAlias = Any
"""comfy.model_patcher.ModelPatcher: ComfyUI's MODEL."""


def path_of(model: ModelPatcher) -> NoisePath:
    """The noise path of a model. Raises ValueError for kinds that are neither eps, v nor rectified flow."""
    sampling = model.get_model_object("model_sampling")
    others = (comfy.model_sampling.EDM, comfy.model_sampling.X0)
    if isinstance(sampling, comfy.model_sampling.CONST):
        return RF
    if isinstance(sampling, comfy.model_sampling.EPS) and not isinstance(sampling, others):
        return VE
    kinds = [kind.__name__ for kind in type(sampling).__mro__ if kind.__module__.startswith("comfy.model_sampling")]
    raise ValueError(
        f"This model samples as {', '.join(kinds)}. Inversion knows eps- and v-prediction (Stable Diffusion 1, 2, XL) and "
        "rectified flow (SD3, Flux, Qwen-Image, Wan)."
    )


def sigmas_of(model: ModelPatcher, scheduler: str, steps: int) -> Sigmas:
    """The levels of one of ComfyUI's schedulers, as it gives them: not every scheduler falls at every step."""
    levels = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), scheduler, steps)
    return levels.to("cpu", torch.float64).clone()


def fingerprint_of(model: ModelPatcher) -> str:
    """The fingerprint of the unpatched weights, and of the LoRAs and other weight patches if there are any."""
    prefix, backup = "diffusion_model.", model.backup
    weights = model.model.diffusion_model.named_parameters()
    base = fingerprint(backup[prefix + name].weight if prefix + name in backup else weight for name, weight in weights)
    patches = sorted(
        b for key, entries in model.patches.items() for entry in entries for b in _patch_sample(key, entry)
    )
    return f"{base}+{digest(patches)[:8]}" if patches else base


def _patch_sample(key: Any, entry: Any) -> Iterator[bytes]:
    """The facts of one weight patch `(strength, weights, strength of the model, ...)`."""
    tensors = list(_tensors(entry[1]))
    ends = [[t.numel(), *(float(v) for v in t.detach().flatten()[[0, -1]])] for t in tensors if t.numel()]
    yield repr((key, float(entry[0]), float(entry[2]), ends)).encode()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif hasattr(value, "weights"):
        yield from _tensors(value.weights)


def resident(model: ModelPatcher, shape: tuple[int, ...]) -> ModelPatcher:
    """A clone of `model` that lies in the device's memory as a whole, for gradients; twice the memory of sampling is made free.

    Raises RuntimeError where ComfyUI keeps the weights in reused buffers and cannot give a plain copy of the model.
    """
    clone = model.clone()
    if getattr(clone, "is_dynamic", lambda: False)():
        try:
            clone = model.clone(disable_dynamic=True)
        except RuntimeError as error:
            raise RuntimeError(
                "Null-text needs gradients, and ComfyUI's dynamic VRAM cannot give a plain copy of a model from this "
                "loader. Start ComfyUI with --disable-dynamic-vram."
            ) from error
    memory = 2 * clone.memory_required([2 * shape[0], *shape[1:]])
    comfy.model_management.load_models_gpu([clone], memory_required=memory, force_full_load=True)
    return clone
