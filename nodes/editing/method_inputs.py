"""The inputs of the nodes that edit by a method's name."""

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from ...inversion_core.dial import FEW_STEPS
from ...inversion_core.methods import GROUPS, Editor
from ..kit.common import fraction, method_choice
from ..run.guidance import GUIDANCE
from .run_edit import Request

PUBLISHED, OWN = "published", "as set below"
ABOUT_FEW_STEPS = (
    f"{FEW_STEPS}: for models distilled to few steps (Lightning, LCM, DMD, Turbo, schnell, klein), without guidance and "
    "negative prompt; invert in 4 to 8 steps."
)


def methods(*groups: str, free: bool = False) -> dict[str, Editor]:
    """The methods of some groups that edit along a trajectory, or those that are free of one."""
    editors = (editor for group in groups for editor in GROUPS[group].values())
    return {editor.name: editor for editor in editors if (editor.inversion is None) == free}


def choices(editors: Mapping[str, Editor]) -> list[Any]:
    """The inputs by which every method is set."""
    return [
        method_choice(editors),
        io.Combo.Input(
            "settings",
            options=[PUBLISHED, OWN, FEW_STEPS],
            default=PUBLISHED,
            tooltip="published: guidance and strength with which the method was published for this kind of model, or what "
            f"is usual on it. {ABOUT_FEW_STEPS} as set below: the three numbers below.",
        ),
        io.Float.Input(
            "guidance", default=GUIDANCE, min=0.0, max=30.0, step=0.1, tooltip="Guidance of the target prompt."
        ),
        io.Float.Input(
            "source_guidance", default=1.0, min=0.0, max=30.0, step=0.1, tooltip="Guidance of the source prompt."
        ),
        fraction(
            "strength",
            1.0,
            "Share of the steps that are edited: 1 starts from pure noise, less stays closer to the picture.",
        ),
    ]


def drawing() -> Any:
    """The input of methods that draw noise of their own."""
    return io.Int.Input(
        "seed", default=0, min=0, max=2**64 - 1, control_after_generate=True, tooltip="For methods that draw noise."
    )


def prompts() -> list[Any]:
    return [
        io.Conditioning.Input("source", tooltip="A prompt that says what the picture shows."),
        io.Conditioning.Input("target", tooltip="The prompt of the edited picture."),
        io.Conditioning.Input("negative", tooltip="The negative prompt, usually empty."),
    ]


def request_of(
    method: str, settings: str, guidance: float, source_guidance: float, strength: float, seed: int = 0
) -> Request:
    """What the widgets ask for."""
    own = settings == OWN
    numbers = (number if own else None for number in (guidance, source_guidance, strength))
    return Request(method, seed, *numbers, few_steps=settings == FEW_STEPS)
