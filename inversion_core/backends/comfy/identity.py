"""Which model it is: a fingerprint of its weights, patches and sampling, and of the hooks of a prompt."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ...fingerprint import digest, fingerprint, sketch
from .model import ModelPatcher, samplings


def fingerprint_of(model: ModelPatcher) -> str:
    """The fingerprint of the unpatched weights, and of what else changes predictions: LoRAs and other weight patches
    `(strength, weights, strength of the model, ...)`, and a patched sampling of another kind or with other levels
    (v-prediction, zero terminal SNR)."""
    base = fingerprint(_weights(model))
    entries = ((key, entry) for key, patches in model.patches.items() for entry in patches)
    samples = sorted(repr((key, float(one[0]), float(one[2]), _numbers(one[1]))).encode() for key, one in entries)
    own, used = (_sampling_sample(sampling) for sampling in samplings(model))
    samples += [] if used == own else [used]
    return f"{base}+{digest(samples)[:8]}" if samples else base


def identity_of(model: ModelPatcher, source: Any = None) -> str:
    """The model's fingerprint, the hooks on the CONDITIONING `source` behind `&`, and behind `~` the sketch of its weights."""
    hooks = {sample for _, facts in source or () for sample in _hook_samples(facts.get("hooks"))}
    told = f"&{digest(sorted(hooks))[:8]}" if hooks else ""
    return f"{fingerprint_of(model)}{told}~{sketch(_weights(model))}"


def _weights(model: ModelPatcher) -> Iterator[Tensor]:
    """The unpatched weights."""
    prefix, backup = "diffusion_model.", model.backup
    for name, weight in model.model.diffusion_model.named_parameters():
        yield backup[prefix + name].weight if prefix + name in backup else weight


def _hook_samples(group: Any) -> Iterator[bytes]:
    """The facts of the hooks of a prompt: their kinds, strengths, spans of the steps, and values of their weights."""
    for hook in group.hooks if group is not None else ():
        spans = [(float(k.strength), float(k.start_percent)) for k in hook.hook_keyframe.keyframes]
        weights = getattr(hook, "weights", None) or {}
        numbers = [(str(key), _numbers(weights[key])) for key in sorted(weights, key=str)]
        yield repr((type(hook).__name__, float(getattr(hook, "_strength_model", 1.0)), spans, numbers)).encode()


def _sampling_sample(sampling: Any) -> bytes:
    """How the network's input and output are scaled, and what it is told of some noise levels; a shift alone is no difference."""
    told = [float(sampling.timestep(torch.tensor([sigma]))) for sigma in (0.05, 0.3, 1.0, 3.0, 10.0)]
    return repr((sampling.calculate_input.__qualname__, sampling.calculate_denoised.__qualname__, told)).encode()


def _numbers(weights: Any) -> list[Any]:
    return [list(_ends(part)) if isinstance(part, Tensor) else part for part in _parts(weights)]


def _parts(value: Any) -> Iterator[Tensor | float]:
    """The matrices of a weight patch, and the numbers that scale them."""
    if isinstance(value, (Tensor, float, int)):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _parts(item)
    elif hasattr(value, "weights"):
        yield from _parts(value.weights)


def _ends(tensor: Tensor) -> Iterator[float]:
    flat = tensor.detach().flatten()
    yield flat.numel()
    yield from map(float, (*flat[:1], *flat[-1:]))
