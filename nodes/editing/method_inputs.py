"""The inputs of the nodes that edit by a method's name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from comfy_api.latest import io

from ...inversion_core.backends.comfy.denoiser import is_guidance_distilled, path_of
from ...inversion_core.dial import AS_SET, FEW_STEPS, Turned
from ...inversion_core.loops.edit import Edited
from ...inversion_core.methods import EDITORS, GROUPS, EditJob, Editor, Settings, WrongInversion, kind_of
from ...inversion_core.trajectory import Trajectory
from ...inversion_core.types import Cond
from ..inverting.invert_methods import InversionExactInvert, InversionRFInvert, InversionStochasticInvert
from ..kit.common import check_unconditional, fraction, method_choice
from ..kit.remarks import of_prompts, of_strength
from ..run.guidance import GUIDANCE, acting

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


@dataclass(frozen=True)
class Request:
    """A method and its settings; those that are None are the published ones.

    `numbers` are the guidance of each prompt on the model, and whether what the prompt brings goes before it.
    """

    method: str
    seed: int = 0
    guidance: float | None = None
    source_guidance: float | None = None
    strength: float | None = None
    few_steps: bool = False
    numbers: Mapping[str, tuple[float, bool]] = field(default_factory=dict)

    dial: ClassVar[Turned] = AS_SET

    @property
    def editor(self) -> Editor:
        return EDITORS[self.method]

    @property
    def gradients(self) -> bool:
        return self.editor.gradients

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

    def fitted(
        self, model: Any, prompts: Mapping[str, Any], steps: int, trajectory: Trajectory | None = None
    ) -> tuple["Request", list[str]]:
        """The request as it acts on the model, and what the node says of it: not before a published number goes what the
        prompts bring, but along a trajectory the source is as it was inverted. Raises ValueError if the model cannot do it.
        """
        if self.editor.uncond:
            check_unconditional(model, f"The method '{self.method}'", few_steps=self.few_steps)
        settings, own = self.settings(model, trajectory), self.guidance is not None
        numbers = {
            "source": (settings.source_guidance, own or trajectory is not None),
            "target": (settings.guidance, own),
        }
        lines = [*described(self.editor, settings, trajectory), *acting(model, prompts, numbers)]
        lines += [*of_prompts(prompts), *of_strength(1 - settings.strength, steps)]
        return replace(self, strength=settings.strength, numbers=numbers), lines

    def conds(self, prepared: Any) -> list[Cond]:
        """Source and target under their guidance."""
        return [cond_of(prepared, name, *number, few_steps=self.few_steps) for name, number in self.numbers.items()]

    def edit(self, job: EditJob, trajectory: Trajectory | None) -> Edited:
        """The job done by the method. Raises ValueError that names the node for its inversion, and as the method."""
        try:
            return self.editor.edit(replace(job, strength=self.strength, seed=self.seed), trajectory)
        except WrongInversion as error:
            raise ValueError(f"{error} Use {inverting(error.inversion)} for that.") from error


def request_of(
    method: str, settings: str, guidance: float, source_guidance: float, strength: float, seed: int = 0
) -> Request:
    """What the widgets ask for."""
    own = settings == OWN
    numbers = (number if own else None for number in (guidance, source_guidance, strength))
    return Request(method, seed, *numbers, few_steps=settings == FEW_STEPS)


def inverting(inversion: str) -> str:
    """The node that inverts by a method of that name."""
    others = (InversionExactInvert, InversionStochasticInvert, InversionRFInvert)
    return next((node.DISPLAY_NAME for node in others if inversion in node.METHODS), "DDIM Invert")


def cond_of(prepared: Any, name: str, guidance: float, own: bool = False, few_steps: bool = False) -> Cond:
    """The prompt under guidance, which goes before what the prompt brings unless `own`; a few-step model has no negative prompt."""
    cond = prepared(name, "negative", guidance, own)
    return cond.alone() if few_steps and not cond.guided else cond


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
