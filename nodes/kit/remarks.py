"""What a node says of an edit that its prompts, numbers or windows make impossible."""

from typing import Any

import torch
from torch import Tensor

NOTHING = 1e-5
"""Relative distance of two latents, of which one is the other but for rounding."""


def of_prompts(prompts: dict[str, Any]) -> list[str]:
    """The sentence about a target prompt that is the source prompt."""
    if not equal(prompts["source"], prompts["target"]):
        return []
    return ["The target prompt equals the source prompt, so nothing should change. Change a word of the target prompt."]


def of_strength(start: float, steps: int) -> list[str]:
    """The sentence about a `start`, a fraction of the steps, that leaves out all but the last."""
    if steps == 1 or round(start * steps) < steps:
        return []
    return [
        f"Only the last of {steps} steps is edited, so the image stays nearly as it is. Raise strength or start earlier."
    ]


def of_result(edited: Tensor, source: Tensor) -> list[str]:
    """The sentence about a target that came out as the source."""
    distance = torch.linalg.vector_norm((edited - source).float())
    if distance > NOTHING * torch.linalg.vector_norm(source.float()):
        return []
    return [
        "The edit changed nothing. Check that the prompts differ, that strength is above 0, and that the mask and the words of "
        "local blend lie where the change belongs."
    ]


def equal(first: Any, second: Any) -> bool:
    """Whether two CONDITIONINGs hold the same values."""
    if first is second:
        return True
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first.shape == second.shape and torch.equal(first.cpu(), second.cpu())
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        return len(first) == len(second) and all(map(equal, first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(equal(first[key], second[key]) for key in first)
    return type(first) is type(second) and isinstance(first, (str, int, float, bool)) and first == second
