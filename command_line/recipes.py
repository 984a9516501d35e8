"""The editing methods by name: what `edit` and the figures share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from ..inversion_core.attention.site import Technique
from ..inversion_core.backends.diffusers import Prompt
from ..inversion_core.backends.diffusers_studio import Studio
from ..inversion_core.edit import Anchor, Edited, edit, unanchored
from ..inversion_core.methods import direct, negative_prompt, optimize_null_text, with_null_text
from ..inversion_core.methods.null_text import GUIDANCE
from ..inversion_core.trajectory import NullText, Trajectory
from ..inversion_core.types import Cond, EditableDenoiser, OnStep
from .control import NO_CONTROL, Control, techniques
from .mistakes import Mistake


@dataclass(frozen=True)
class Plan:
    """What a method makes of a trajectory and two prompts: the arguments of the core's `edit`."""

    denoiser: EditableDenoiser
    source: Cond
    target: Cond
    anchor: Anchor = unanchored


Method = Callable[[Plan, NullText | None], Plan]


def _null_text(plan: Plan, null_text: NullText | None) -> Plan:
    if null_text is None:
        raise Mistake("The method null-text needs the result of an optimisation over this trajectory.")
    return replace(plan, denoiser=with_null_text(plan.denoiser, null_text))


METHODS: dict[str, Method] = {
    "ddim": lambda plan, _: plan,
    "null-text": _null_text,
    "negative-prompt": lambda plan, _: replace(
        plan, source=plan.source.alone(), target=negative_prompt(plan.target, plan.source)
    ),
    "direct": lambda plan, _: replace(plan, anchor=direct),
}
"""How each method keeps the source while guidance is on (negative-prompt's source branch is the unguided one)."""


def conds(studio: Studio, source: str, target: str, guidance: float, negative: str = "") -> tuple[Cond, Cond]:
    """The guided prompts of both branches, away from `negative`."""
    uncond = studio.encode_prompt(negative)
    ours, theirs = (Cond(studio.encode_prompt(text), uncond, guidance) for text in (source, target))
    return ours, theirs


def run_edit(
    studio: Studio,
    trajectory: Trajectory,
    source: str,
    target: str,
    *,
    method: str = "direct",
    guidance: float = GUIDANCE,
    negative: str = "",
    control: Control = NO_CONTROL,
    denoiser: EditableDenoiser | None = None,
    null_text: NullText | None = None,
    extra: Sequence[Technique] = (),
    start: int = 0,
    on_step: OnStep | None = None,
) -> Edited:
    """Edit a trajectory with a method by name; `null_text` is needed by that method. Raises Mistake as `techniques`.

    Guidance leads away from `negative`. The source prompt there makes it act on the difference of the prompts alone.
    """
    plan = Plan(denoiser or studio.denoiser, *conds(studio, source, target, guidance, negative))
    plan = METHODS[method](plan, null_text)
    chosen = [*extra, *techniques(studio, trajectory.sigmas, source, target, control)]
    return edit(
        trajectory,
        plan.denoiser,
        plan.source,
        plan.target,
        anchor=plan.anchor,
        techniques=chosen,
        start=start,
        on_step=on_step,
    )


def run_null_text(
    studio: Studio,
    trajectory: Trajectory,
    source: Sequence[str],
    *,
    guidance: float = GUIDANCE,
    on_step: OnStep | None = None,
) -> NullText:
    """Null-text over the trajectories of one or more pictures in a batch, each with its own prompt."""
    prompts = stacked(studio, source)
    return optimize_null_text(
        trajectory, studio.denoiser, Cond(prompts, studio.encode_prompt(""), guidance), on_step=on_step
    )


def stacked(studio: Studio, texts: Sequence[str]) -> Prompt:
    """One prompt with a row for each text."""
    prompts = [studio.encode_prompt(text) for text in texts]
    added = {name: torch.cat([p.added[name] for p in prompts]) for name in prompts[0].added}
    return replace(prompts[0], embedding=torch.cat([p.embedding for p in prompts]), added=added)
