"""Differentiating through a ComfyUI model, which runs nodes in inference mode."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import comfy.model_management as management
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from torch import Tensor, nn


@contextmanager
def gradients_through(network: nn.Module, others: Sequence[nn.Module]) -> Iterator[None]:
    """A context in which calls of the model `network` can be differentiated; `others` are modules that it calls.

    It leaves inference mode, puts plain tensors on the same memory in the place of inference tensors, tells ComfyUI to
    use operations that have a derivative, and lets networks that change saved tensors in place do so. All is put back.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(_in_training())
        for module in (network, *others):
            stack.enter_context(_plain_weights(module))
        if others or not isinstance(getattr(network, "diffusion_model", None), UNetModel):
            stack.enter_context(torch.autograd.graph.allow_mutation_on_saved_tensors())
        yield


def plain(value: Any) -> Any:
    """`value` with every inference tensor in it cloned to one that autograd can save."""
    if isinstance(value, Tensor):
        return value.clone() if value.is_inference() else value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    if hasattr(value, "_copy_with") and hasattr(value, "cond"):
        return value._copy_with(plain(value.cond))
    return value


@contextmanager
def _in_training() -> Iterator[None]:
    """ComfyUI's flag (from 0.25) for operations with a derivative."""
    if not hasattr(management, "in_training"):
        yield
        return
    before = management.in_training
    management.in_training = True
    try:
        yield
    finally:
        management.in_training = before


@contextmanager
def _plain_weights(module: nn.Module) -> Iterator[None]:
    swapped: list[tuple[dict[str, Any], str, Tensor]] = []
    try:
        for part in module.modules():
            for table in _tables(part):
                for name, tensor in list(table.items()):
                    if tensor is not None and tensor.is_inference():
                        swapped.append((table, name, tensor))
                        table[name] = _alias(tensor)
        yield
    finally:
        for table, name, tensor in swapped:
            table[name] = tensor


def _tables(part: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    return part._parameters, part._buffers


def _alias(tensor: Tensor) -> Tensor:
    """A plain tensor, or frozen parameter, on the memory of an inference tensor; quantised weights have it as full ones."""
    if type(tensor) not in (Tensor, nn.Parameter):
        return nn.Parameter(tensor.dequantize(), requires_grad=False)
    alias = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    alias.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())
    return nn.Parameter(alias, requires_grad=False) if isinstance(tensor, nn.Parameter) else alias
