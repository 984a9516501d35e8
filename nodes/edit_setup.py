"""An edit's setup beside model and prompts, and its run inside ComfyUI's sampling."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..inversion_core.dial import AS_SET, Turned, turned
from ..inversion_core.edit import Edited, Target, unanchored
from ..inversion_core.memory import edit_within
from ..inversion_core.methods import direct, with_null_text
from ..inversion_core.storage import require_same_model
from ..inversion_core.trajectory import NullText, Trajectory
from .checks import counted
from .common import check_model, check_unconditional
from .hints import framed
from .memory import memory_of
from .method_inputs import OWN
from .plans import Plans
from .progress import reporter, run
from .sockets import LatentTrajectory

ANCHORS = {"direct": direct, "none": unanchored}
NEGATIVE, SOURCE = "negative prompt", "source prompt"


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

    def turned(self) -> "Setup":
        """The setup as the dial leaves it; null text holds its guidance."""
        if self.preset == OWN:
            return self
        dial = self.dial
        return replace(self, guidance=self.guidance if self.null_text else dial.guided(self.guidance), start=dial.start)

    @property
    def dial(self) -> Turned:
        return AS_SET if self.preset == OWN else turned(self.preset, self.strength)

    def __str__(self) -> str:
        dial = OWN if self.preset == OWN else f"{self.preset}, strength {self.strength:g}"
        return (
            f"{dial}: guidance {self.guidance:.1f}, the first {self.start:.0%} of the steps "
            f"left out, attention windows x {self.dial.windows:.2g}"
        )


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
            f"The null-text result was made on {counted(len(null_text.embeddings), 'step')} from sigma {null_text.sigmas[0]:.4g}, the "
            f"trajectory has {trajectory.steps} from {trajectory.sigmas[0]:.4g}. Optimise it on this trajectory."
        )
    rows, batch = len(null_text.embeddings[0]), trajectory.shape[0]
    if rows not in (1, batch):
        raise ValueError(f"The null-text result is for {rows} pictures, the trajectory has {batch}.")
    if null_text.provenance.guidance != setup.guidance:
        raise ValueError(
            f"The null-text result serves guidance {null_text.provenance.guidance:g}, but guidance is {setup.guidance:g}. "
            "Use the same, or optimise again."
        )
    if setup.unconditional == SOURCE:
        raise ValueError(
            "Null text replaces the negative prompt: set unconditional to 'negative prompt', or leave it out."
        )
