"""What Inversion Edit Sampler asks for: anchor, guidance and null text, as the dial turns them and as they suit the model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from ...inversion_core.backends.comfy.identity import identity_of
from ...inversion_core.backends.comfy.model import is_guidance_distilled
from ...inversion_core.dial import AS_SET, FEW_STEPS, Turned, turned
from ...inversion_core.files.trajectory_file import require_same_model
from ...inversion_core.loops.direct import ANCHORS
from ...inversion_core.methods.editor import anchored
from ...inversion_core.trajectory import NullText, Trajectory
from ..kit.checks import counted
from ..kit.common import check_unconditional
from ..kit.remarks import of_prompts, of_strength
from ..run.guidance import acting, default_for
from .method_inputs import OWN
from .run_edit import Chosen

NEGATIVE, SOURCE = "negative prompt", "source prompt"
MOST_OF_FEW = 15
"""More steps than any model that was distilled to few is used with."""


@dataclass(frozen=True)
class Setup:
    """What Inversion Edit Sampler's widgets ask for, and a null-text result."""

    guidance: float
    anchor: str
    unconditional: str
    start: float
    preset: str = OWN
    strength: float = 0.5
    null_text: NullText | None = None
    held: bool = False

    def turned(self) -> "Setup":
        """The setup as the dial leaves it; null text holds its guidance."""
        if self.preset == OWN:
            return self
        dial, held = self.dial, self.null_text or self.held
        return replace(self, guidance=self.guidance if held else dial.guided(self.guidance), start=dial.start)

    def suited(self, model: Any) -> "Setup":
        """The setup with a guidance that suits the model where that is an input of the network."""
        if not is_guidance_distilled(model):
            return self
        return replace(self, guidance=default_for(model, self.guidance)[0], held=self.preset == FEW_STEPS)

    @property
    def dial(self) -> Turned:
        return AS_SET if self.preset == OWN else turned(self.preset, self.strength)

    def on(self, model: Any, prompts: Mapping[str, Any], steps: int, trajectory: Trajectory) -> Chosen:
        """The setup on a model and a trajectory. Raises ValueError if null text or the source prompt as unconditional fit neither."""
        few_steps = self.preset == FEW_STEPS
        if few_steps and self.null_text is not None:
            check_unconditional(model, "Null text", few_steps=True)
        acts = self.suited(model).turned()
        if acts.null_text is not None:
            check_null_text(acts.null_text, trajectory, identity_of(model, prompts["source"]), acts)
        if acts.unconditional == SOURCE:
            check_unconditional(model, "The source prompt as unconditional (negative-prompt inversion)")
        guidance = dict.fromkeys(("source", "target"), (acts.guidance, True))
        lines = [str(acts), *of_prompts(prompts), *of_strength(acts.start, steps)]
        lines += [*default_for(model, self.guidance)[1], *acting(model, prompts, guidance)]
        if few_steps and steps > MOST_OF_FEW:
            lines.append(
                f"The trajectory has {steps} steps, which a few-step model has not been trained for. Invert with the "
                "number of steps that the model was made for, usually 4 to 8."
            )
        away = "source" if acts.unconditional == SOURCE else "negative"
        editor = anchored(ANCHORS[acts.anchor], min(round(acts.start * steps), steps - 1))
        return Chosen(editor, guidance, away, null_text=acts.null_text, dial=acts.dial, lines=lines)

    def __str__(self) -> str:
        dial = OWN if self.preset == OWN else f"{self.preset}, strength {self.strength:g}"
        late = f", the first {self.start:.0%} of the steps left out" if self.start else ""
        wide = f", attention windows {self.dial.windows:.0%} as long as set" if self.dial.windows != 1 else ""
        return f"{dial}: guidance {self.guidance:.1f}{late}{wide}"


def check_null_text(null_text: NullText, trajectory: Trajectory, fingerprint: str, setup: Setup) -> None:
    """Raises ValueError if a null-text result was made for another model, grid, batch or guidance."""
    require_same_model(null_text.provenance, fingerprint, "null-text result")
    if not torch.equal(null_text.sigmas, trajectory.sigmas):
        raise ValueError(
            f"The null text was made for {counted(len(null_text.embeddings), 'step')} from sigma {null_text.sigmas[0]:.4g}, but the "
            f"trajectory has {trajectory.steps} from {trajectory.sigmas[0]:.4g}. Optimise it on this trajectory."
        )
    rows, batch = len(null_text.embeddings[0]), trajectory.shape[0]
    if rows not in (1, batch):
        raise ValueError(
            f"The null text is for {rows} images, but the trajectory has {batch}. Optimise it on this trajectory."
        )
    if null_text.provenance.guidance != setup.guidance:
        raise ValueError(
            f"The null text was made for guidance {null_text.provenance.guidance:g}, but guidance is {setup.guidance:g}. Set "
            "guidance to the same value, or run Null-Text Optimize again."
        )
    if setup.unconditional == SOURCE:
        raise ValueError(
            "Null text replaces the negative prompt, but unconditional is set to the source prompt. Set unconditional to 'negative "
            "prompt', or disconnect the null text."
        )
