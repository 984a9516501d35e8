"""An edit's setup beside model and prompts, and its run inside ComfyUI's sampling."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...inversion_core.backends.comfy.denoiser import is_guidance_distilled
from ...inversion_core.dial import AS_SET, FEW_STEPS, Turned, turned
from ...inversion_core.files.storage import require_same_model
from ...inversion_core.loops.direct import direct
from ...inversion_core.loops.edit import Edited, Target, unanchored
from ...inversion_core.loops.memory import edit_within
from ...inversion_core.methods.with_null_text import with_null_text
from ...inversion_core.trajectory import NullText, Trajectory
from ..attention.attention_edits import Plans
from ..attention.bank_memory import memory_of
from ..kit.checks import counted
from ..kit.common import check_model, check_unconditional
from ..kit.remarks import of_prompts, of_strength
from ..run.control_hints import framed
from ..run.guidance import acting, default_for
from ..run.progress import reporter, run
from ..sockets import LatentTrajectory
from .method_inputs import OWN

ANCHORS = {"direct": direct, "none": unanchored}
NEGATIVE, SOURCE = "negative prompt", "source prompt"
MOST_OF_FEW = 15
"""More steps than any model that was distilled to few is used with."""


@dataclass(frozen=True)
class Setup:
    """The node's inputs beside model and prompts."""

    record: LatentTrajectory
    null_text: NullText | None
    plans: Plans | None
    mask: Tensor | None
    guidance: float
    anchor: str
    unconditional: str
    start: float
    preset: str = OWN
    strength: float = 0.5
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

    def __str__(self) -> str:
        dial = OWN if self.preset == OWN else f"{self.preset}, strength {self.strength:g}"
        return f"{dial}: guidance {self.guidance:.1f}, the first {self.start:.0%} of the steps left out, attention windows x {self.dial.windows:.2g}"


def fitted_setup(model: Any, setup: Setup, prompts: dict[str, Any]) -> tuple[Setup, list[str]]:
    """The setup as it acts on the model, and what the node says of it. Raises ValueError if a few-step model is to have null text."""
    if setup.preset == FEW_STEPS and setup.null_text is not None:
        check_unconditional(model, "Null text", few_steps=True)
    acts, steps = setup.suited(model).turned(), setup.record.trajectory.steps
    said = [str(acts), *of_prompts(prompts), *of_strength(acts.start, steps)]
    said += default_for(model, setup.guidance)[1]
    said += acting(model, prompts, dict.fromkeys(("source", "target"), (acts.guidance, True)))
    if setup.preset == FEW_STEPS and steps > MOST_OF_FEW:
        said.append(
            f"The trajectory has {steps} steps, which a few-step model has not been trained for. Invert with the number of steps "
            "that the model was made for, usually 4 to 8."
        )
    return acts, said


def sample(
    model: Any, setup: Setup, prompts: dict[str, Any], tell: Callable[[str], None] = lambda words: None
) -> Edited:
    """The edit; `tell` hears what memory its attention takes. Raises BankTooLarge if that is not there, ValueError if model, trajectory, null text or masks do not fit each other."""
    trajectory = setup.record.trajectory
    fingerprint = check_model(setup.record, model, prompts["source"])
    if setup.null_text is not None:
        check_null_text(setup.null_text, trajectory, fingerprint, setup)
    if setup.unconditional == SOURCE:
        check_unconditional(model, "The source prompt as unconditional (negative-prompt inversion)")
    plans = setup.plans or Plans()
    techniques = plans.ready(model, setup.record, setup.mask, setup.dial)
    start = min(round(setup.start * trajectory.steps), trajectory.steps - 1)
    for line in plans.idle(setup.record, setup.dial):
        tell(line)

    def body(denoiser: Any, x: Tensor, prepared: Any) -> Edited:
        host = denoiser if setup.null_text is None else with_null_text(denoiser, setup.null_text)
        away = "source" if setup.unconditional == SOURCE else "negative"
        source, target = (prepared(name, away, setup.guidance) for name in ("source", "target"))
        options = {"anchor": ANCHORS[setup.anchor], "start": start, "on_step": reporter(model)}
        targets = [Target(target, techniques(prepared))]
        return edit_within(memory_of(plans, tell), trajectory, host, source, targets, **options)[0]

    prompts = framed(prompts | plans.prompts, setup.record.frame)
    return run(model, prompts, setup.record.samples(trajectory.xs[-1]), trajectory.sigmas, body)


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
