"""Guidance on models that take it as an input: which number acts there, and what the node says of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...inversion_core.backends.comfy.guider import own_guidance
from ...inversion_core.backends.comfy.model import is_guidance_distilled, path_of
from ...inversion_core.methods import EDITORS, kind_of
from ...inversion_core.trajectory import Trajectory
from ..kit.remarks import of_prompts

GUIDANCE = 7.5
"""Where the nodes' guidance stands until somebody sets it: classifier-free guidance, too much for a distilled model."""
USUAL, USUAL_BY_KIND = 3.5, {"hunyuan_video": 6.0}
"""What ComfyUI hands to a model with distilled guidance where nobody sets it: Flux, and what is otherwise."""


def usual(model: Any) -> float:
    """The usual guidance of a model that takes it as an input."""
    return USUAL_BY_KIND.get(str(model.model.model_config.unet_config.get("image_model")), USUAL)


def acting(model: Any, prompts: Mapping[str, Any], wanted: Mapping[str, tuple[float, bool]]) -> list[str]:
    """What a node says of guidance where it is an input of the model, else nothing.

    `wanted` is the number for each prompt by name, and whether what the prompt brings (FluxGuidance) goes before it.
    """
    if not is_guidance_distilled(model):
        return []
    numbers, said = {}, []
    for name, (number, own) in wanted.items():
        brought = own_guidance(prompts[name])
        numbers[name] = brought[0] if own and brought else number
        if brought and brought[0] != number:
            first, second = ("FluxGuidance's", "the number here") if own else ("the published number", "FluxGuidance's")
            said.append(f" For the {name}, {first} goes before {second}.")
    acts = " and ".join(f"{number:g} for the {name}" for name, number in numbers.items())
    return [f"This model takes guidance as an input, without a negative prompt: {acts}.{''.join(said)}"]


def recorded(model: Any, source: Any, guidance: float, trajectory: Trajectory) -> Trajectory:
    """The trajectory of an inversion at `guidance`, which remembers the number that acted where it is an input of the model."""
    if not is_guidance_distilled(model):
        return trajectory
    acted = (*own_guidance(source), guidance)[0]
    return replace(trajectory, provenance=replace(trajectory.provenance, guidance=acted))


def few_steps_for(model: Any, method: str, steps: int, default: int) -> int:
    """`steps`, or where nobody set them as many as suit the method on a model that was distilled to few."""
    kind = kind_of(path_of(model), is_guidance_distilled(model), few_steps=True)
    return EDITORS[method].settings_for(kind).steps if steps == default else steps


def default_for(model: Any, guidance: float) -> tuple[float, list[str]]:
    """The guidance, or the model's usual one in the place of a default that does not suit it, which is said."""
    if guidance != GUIDANCE or not is_guidance_distilled(model):
        return guidance, []
    instead = usual(model)
    said = (
        f"Guidance {guidance:g}, the default, is too high for this model, so {instead:g} is used instead. Set another number, or put "
        "FluxGuidance behind the prompts."
    )
    return instead, [said]


def suited(model: Any, prompts: Mapping[str, Any], guidance: float) -> tuple[float, list[str]]:
    """The guidance of both prompts that suits the model, and what the node says of it and of the prompts."""
    instead, said = default_for(model, guidance)
    numbers = dict.fromkeys(("source", "target"), (instead, True))
    return instead, [*said, *acting(model, prompts, numbers), *of_prompts(prompts)]
