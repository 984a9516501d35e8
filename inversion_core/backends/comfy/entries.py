"""The entries of a prepared CONDITIONING: the parts of a prompt, each with a text, and maybe an area and a range of the steps."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import torch

from ...shapes import Embedding, Latent
from ...types import Prompt

Entry: TypeAlias = Mapping[str, Any]
Window: TypeAlias = tuple[float, float, float, float]
"""Where an area lies in the picture: top, left, bottom and right as shares of its height and width."""


def embedding_of(entry: Entry) -> Embedding | None:
    """The embedding of the entry's text, if it has one."""
    text = entry["model_conds"].get("c_crossattn")
    return None if text is None else text.cond


def acts(entry: Entry, sigma: float) -> bool:
    """Whether the entry's range of the steps holds this level, as ComfyUI compares it."""
    level = float(torch.tensor(sigma, dtype=torch.float32))
    return not (level > entry.get("timestep_start", level) or level < entry.get("timestep_end", level))


def window_of(entry: Entry, x: Latent) -> Window:
    """The entry's area on a latent; ComfyUI cuts it off at the latent's edges."""
    area = entry["area"]
    (height, width), (top, left) = area[len(area) // 2 - 2 : len(area) // 2], area[-2:]
    rows, columns = x.shape[-2:]
    return top / rows, left / columns, min(top + height, rows) / rows, min(left + width, columns) / columns


def check_alike(source: Sequence[Entry], target: Sequence[Entry], sigmas: Iterable[float]) -> None:
    """Raises ValueError if a part of the target's prompt lies in another area than the source's, or acts in a step without it.

    Attention edits give each part of the target what the source's part of the same number recorded.
    """
    if [entry.get("area") for entry in source] != [entry.get("area") for entry in target]:
        raise ValueError(
            f"Attention edits need a source prompt built like the target prompt, but the source has {len(source)} parts "
            f"({_named(source)}) and the target {len(target)} ({_named(target)}). Give both the same areas, and join equally many "
            "prompts."
        )
    for sigma in sigmas:
        if any(acts(other, sigma) and not acts(one, sigma) for one, other in zip(source, target, strict=True)):
            raise ValueError(
                f"The target prompt acts at noise level {sigma:.4g}, where the source prompt does not, so attention edits have no "
                "source there. Give the source at least the timestep range of the target."
            )


def _named(prompt: Sequence[Entry]) -> str:
    return ", ".join("in an area" if "area" in entry else "over the whole image" for entry in prompt)


def only(prompt: Prompt) -> dict[str, Any]:
    """The one entry of a prompt whose embedding is optimised. Raises ValueError if it has several, or no such embedding."""
    if len(prompt) != 1:
        raise ValueError(
            f"Null-text optimises one embedding, but this conditioning has {len(prompt)} parts (areas, combined prompts "
            "or timestep ranges). Use a plain text prompt here."
        )
    if "c_crossattn" not in prompt[0]["model_conds"]:
        raise ValueError("This kind of model takes no cross-attention embedding, so null-text cannot optimise it.")
    return prompt[0]
