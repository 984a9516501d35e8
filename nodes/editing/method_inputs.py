"""The inputs of the nodes that edit by a method's name."""

from typing import Any

from comfy_api.latest import io

from ...inversion_core.dial import FEW_STEPS
from ...inversion_core.editors import EDITORS, GROUPS
from ..kit.common import fraction
from ..run.guidance import GUIDANCE
from .run_edit import Request

PUBLISHED, OWN = "published", "as set below"
ABOUT_FEW_STEPS = (
    f"{FEW_STEPS}: for models distilled to few steps (Lightning, LCM, DMD, Turbo, schnell, klein), without guidance and "
    "negative prompt; invert in 4 to 8 steps."
)


def methods(*groups: str, free: bool = False) -> list[str]:
    """The methods of some groups that edit along a trajectory, or those that are free of one."""
    return [name for group in groups for name, editor in GROUPS[group].items() if (editor.inversion is None) == free]


def choices(names: list[str]) -> list[Any]:
    """The inputs by which every method is set."""
    about = " ".join(f"{name}: {EDITORS[name].about}." for name in names)
    return [
        io.Combo.Input("method", options=names, default=names[0], tooltip=about),
        io.Combo.Input(
            "settings",
            options=[PUBLISHED, OWN, FEW_STEPS],
            default=PUBLISHED,
            tooltip="published: uses the published guidance and strength of the method for this kind of model, or usual values. "
            f"{ABOUT_FEW_STEPS} as set below: uses guidance, source_guidance and strength as set below.",
        ),
        io.Float.Input(
            "guidance",
            default=GUIDANCE,
            min=0.0,
            max=30.0,
            step=0.1,
            tooltip="Guidance scale of the target prompt. Higher follows the target prompt more closely.",
        ),
        io.Float.Input(
            "source_guidance", default=1.0, min=0.0, max=30.0, step=0.1, tooltip="Guidance scale of the source prompt."
        ),
        fraction(
            "strength",
            1.0,
            "Fraction of the steps that are edited. 1 starts from pure noise; lower stays closer to the image.",
        ),
    ]


def drawing() -> Any:
    """The input of methods that draw noise of their own."""
    return io.Int.Input(
        "seed", default=0, min=0, max=2**64 - 1, control_after_generate=True, tooltip="Seed of methods that draw noise."
    )


def prompts() -> list[Any]:
    return [
        io.Conditioning.Input("source", tooltip="Prompt that describes the image."),
        io.Conditioning.Input("target", tooltip="Prompt that describes the edited image."),
        io.Conditioning.Input("negative", tooltip="Negative prompt, usually empty."),
    ]


def request_of(
    method: str, settings: str, guidance: float, source_guidance: float, strength: float, seed: int = 0
) -> Request:
    """What the widgets ask for."""
    own = settings == OWN
    numbers = (number if own else None for number in (guidance, source_guidance, strength))
    return Request(method, seed, *numbers, few_steps=settings == FEW_STEPS)
