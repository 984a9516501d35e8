"""The inputs of the nodes that edit by a method's name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...inversion_core.backends.comfy.model import is_guidance_distilled, path_of
from ...inversion_core.dial import FEW_STEPS
from ...inversion_core.methods import EDITORS, GROUPS, Editor, Settings, kind_of
from ...inversion_core.trajectory import Trajectory
from ..kit.common import check_unconditional
from ..kit.remarks import of_prompts, of_strength
from ..kit.schema import choice, fraction, method_choice, number, seed_input
from ..run.guidance import GUIDANCE, acting
from .run_edit import Chosen, inverting

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
        choice("settings", [PUBLISHED, OWN, FEW_STEPS]).about(
            "published: uses the published guidance and strength of the method for this kind of model, or usual values. "
            f"{ABOUT_FEW_STEPS} as set below: uses guidance, source_guidance and strength as set below."
        ),
        number("guidance", GUIDANCE, 0.0, 30.0, step=0.1).about(
            "Guidance scale of the target prompt. Higher follows the target prompt more closely."
        ),
        number("source_guidance", 1.0, 0.0, 30.0, step=0.1).about("Guidance scale of the source prompt."),
        fraction("strength", 1.0).about(
            "Fraction of the steps that are edited. 1 starts from pure noise; lower stays closer to the image."
        ),
    ]


def drawing() -> Any:
    """The input of methods that draw noise of their own."""
    return seed_input(changes=True).about("Seed of methods that draw noise.")


@dataclass(frozen=True)
class Request:
    """A method and its settings; those that are None are the published ones."""

    method: str
    seed: int = 0
    guidance: float | None = None
    source_guidance: float | None = None
    strength: float | None = None
    few_steps: bool = False

    @property
    def editor(self) -> Editor:
        return EDITORS[self.method]

    def settings(self, model: Any, trajectory: Trajectory | None = None) -> Settings:
        """All settings, for this kind of model; a scheme that is exact under one guidance alone has its trajectory's for the source."""
        own = {name: getattr(self, name) for name in ("guidance", "source_guidance", "strength")}
        distilled = is_guidance_distilled(model)
        if distilled and self.guidance == GUIDANCE:
            own["guidance"] = None
        if trajectory is not None and self.source_guidance is None and self.editor.inversion_guidance is None:
            own["source_guidance"] = trajectory.provenance.guidance
        usual = self.editor.settings_for(kind_of(path_of(model), distilled, self.few_steps))
        return replace(usual, **{name: number for name, number in own.items() if number is not None})

    def on(self, model: Any, prompts: Mapping[str, Any], steps: int, trajectory: Trajectory | None = None) -> Chosen:
        """The request on a model: what prompts bring goes not before a published number, but along a trajectory the source
        is as it was inverted. Raises ValueError if the model cannot do it.
        """
        editor = self.editor
        if editor.uncond:
            check_unconditional(model, f"The method '{self.method}'", few_steps=self.few_steps)
        settings, own = self.settings(model, trajectory), self.guidance is not None
        guidance = {
            "source": (settings.source_guidance, own or trajectory is not None),
            "target": (settings.guidance, own),
        }
        lines = [*described(editor, settings, trajectory), *acting(model, prompts, guidance)]
        lines += [*of_prompts(prompts), *of_strength(1 - settings.strength, steps)]
        alone = self.few_steps
        return Chosen(editor, guidance, alone=alone, strength=settings.strength, seed=self.seed, lines=lines)


def request_of(
    method: str, settings: str, guidance: float, source_guidance: float, strength: float, seed: int = 0
) -> Request:
    """What the widgets ask for."""
    own = settings == OWN
    numbers = (number if own else None for number in (guidance, source_guidance, strength))
    return Request(method, seed, *numbers, few_steps=settings == FEW_STEPS)


def described(editor: Editor, settings: Settings, trajectory: Trajectory | None) -> list[str]:
    """The settings that act, and a trajectory of another inversion than the method was published with."""
    line = (
        f"{editor.name}: guidance {settings.guidance:g}, source guidance {settings.source_guidance:g}, strength "
        f"{settings.strength:g}"
    )
    inversion, made_by = editor.inversion, trajectory.provenance.method if trajectory else None
    if inversion in (None, "ddim", made_by):
        return [line]
    return [
        line,
        f"{editor.name} was published along the inversion '{inversion}' of {inverting(inversion)}, but this trajectory is "
        f"of '{made_by}'.",
    ]
