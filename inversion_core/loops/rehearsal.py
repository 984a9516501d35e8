"""An edit walked through without the network: what its attention banks will keep, before anything is sampled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..attention.bank import Storage
from ..attention.budget import HALF, Need
from ..attention.site import Attend, AttentionEdit, EditedCall, Site, UnmatchedEdit
from ..progress import OnStep, Progress
from ..shapes import Heads, Latent, Sigma
from ..trajectory import Trajectory
from ..types import Cond, EditableDenoiser, Prompt, Wrapper
from .edit import Anchor, Target, edit_all, unanchored


class Unforeseeable(RuntimeError):
    """The course of an edit depends on what it recorded."""


def bank_need(
    trajectory: Trajectory,
    denoiser: EditableDenoiser,
    source: Cond,
    targets: Sequence[Target],
    *,
    anchor: Anchor = unanchored,
    start: int = 0,
    storage: Storage | None = None,
    on_step: OnStep | None = None,
) -> Need:
    """The bytes that the banks of `edit_all` keep at most in a step, by what records them.

    Each pass shows the network its prompts once, unedited; then the edit's own loop runs on tensors that have shapes and
    no values: the source pass at every step, and the target's at the first and the last of those steps whose source
    passes keep the same. The need is not `exact` where an attention edit depends on values (what it records after that is
    missing) or a target has a step of its own (which is not walked). Raises UnmatchedEdit as the edit itself, and Unforeseeable if the loop depends on what was recorded.
    """
    stage = _Stage(trajectory, Rehearsal(denoiser), source, anchor, on_step)
    stage.denoiser._doubts.extend("a step of its own" for one in targets if one.step)
    record = [Target(one.cond, [replace(t, inject=None, blend=None) for t in one.techniques]) for one in targets]
    whole = [
        mute if one.step else replace(one, techniques=[replace(t, blend=None) for t in one.techniques])
        for one, mute in zip(targets, record, strict=True)
    ]
    asked, needs = storage or Storage(), []
    for dtype in (asked.dtype, HALF) if asked.lossy else (asked.dtype,):
        steps = stage.banked(record, start, trajectory.steps - start, Storage(dtype))
        alike = {str(sizes): number for number, sizes in reversed(list(enumerate(steps, start)))}
        ends = {str(sizes): number for number, sizes in enumerate(steps, start)}
        chosen = sorted({*alike.values(), *ends.values()})
        banked = [sizes for number in chosen for sizes in stage.banked(whole, number, 1, Storage(dtype))]
        needs.append(max(banked, key=lambda sizes: sum(sizes.values())))
    return Need(needs[0], needs[1] if asked.lossy else {}, not stage.denoiser._doubts)


class _Enough(Exception):
    """As many steps were walked as were asked for."""


@dataclass(frozen=True)
class _Stage:
    trajectory: Trajectory
    denoiser: "Rehearsal"
    source: Cond
    anchor: Anchor
    told: OnStep | None

    def banked(self, targets: Sequence[Target], start: int, steps: int, storage: Storage) -> list[Mapping[str, int]]:
        """What the banks keep in each of so many steps from level `start`."""
        found: list[Mapping[str, int]] = []

        def on_step(progress: Progress) -> None:
            found.append(progress.banked)
            if self.told is not None:
                self.told(replace(progress, stage="rehearse"))
            if len(found) == steps:
                raise _Enough

        try:
            edit_all(
                self.trajectory,
                self.denoiser,
                self.source,
                targets,
                anchor=self.anchor,
                start=start,
                storage=storage,
                on_step=on_step,
            )
        except _Enough:
            pass
        except (UnmatchedEdit, torch.OutOfMemoryError):
            raise
        except RuntimeError as error:
            raise Unforeseeable(str(error).splitlines()[0]) from error
        return found


@dataclass(frozen=True)
class _Shown:
    """The attention calls of one evaluation: what is asked at each site, as tensors without values."""

    calls: tuple[tuple[Site, tuple[Tensor, Tensor, Tensor]], ...]
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True)
class Rehearsal(Wrapper):
    """A denoiser that predicts what it is given, and runs edits on attention calls without values.

    It asks the network once for each kind of call, to see its attention. Where an edit depends on values it goes no
    further, which it notes in `_doubts`.
    """

    edits: tuple[AttentionEdit, ...] = ()
    _seen: dict[Any, _Shown] = field(default_factory=dict)
    _doubts: list[str] = field(default_factory=list)

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        call = EditedCall(self.edits)
        for site, (q, k, v) in (
            self._shown(x, sigma, cond, call.wants_features, call.wants_norms).calls if self.edits else ()
        ):
            attend = _values if site.kind in ("feature", "norm") else _empty
            try:
                call.attend(attend, q, k, v, [replace(site, sigma=float(sigma))])
            except RuntimeError as error:
                self._doubts.append(str(error).splitlines()[0])
        call.check(self.absent(cond.cond, sigma))
        return x

    def edited(self, *edits: AttentionEdit) -> "Rehearsal":
        return replace(self, edits=(*edits, *self.edits))

    def _shown(self, x: Latent, sigma: Sigma, cond: Cond, features: bool, norms: bool) -> _Shown:
        prompts = (cond.cond, cond.uncond) if cond.guided else (cond.cond,)
        acting = tuple(self.absent(prompt, sigma) for prompt in prompts)
        key = (tuple(x.shape), features, norms, tuple(map(self._kind, prompts)), acting)
        if key not in self._seen:
            calls: list[tuple[Site, tuple[Tensor, Tensor, Tensor]]] = []

            def look(attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
                calls.append((site, (_bare(q), _bare(k), _bare(v))))
                return attend(q, k, v)

            everywhere = AttentionEdit("rehearsal", lambda site: True, look, features, norms, watches=True)
            self.denoiser.edited(everywhere)(x, sigma, cond)
            self._seen[key] = _Shown(tuple(calls), prompts)
        return self._seen[key]

    def _kind(self, prompt: Prompt) -> Any:
        """Prompts with embeddings of one shape attend alike; others are told apart as objects."""
        try:
            return tuple(self.denoiser.embedding(prompt).shape)
        except ValueError:
            return id(prompt)


def _bare(t: Tensor) -> Tensor:
    return torch.empty_like(t, device="meta")


def _empty(q: Heads, k: Heads, v: Heads) -> Heads:
    return q.new_empty(*q.shape[:3], v.shape[-1])


def _values(q: Heads, k: Heads, v: Heads) -> Heads:
    return v
