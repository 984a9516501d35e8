"""A clip whose frames are rows of one trajectory, edited in windows, so that memory does not grow with its length."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch

from ..attention.bank import Bank
from ..attention.budget import Ledger, Memory
from ..attention.technique import Technique
from ..progress import OnStep, Progress
from ..shapes import Latent
from .chunked import Chunked
from .direct import direct
from .edit import Edit, Edited

SPACING = 2
"""Frames from one key frame to the next: on the toybox's clips of 8 frames."""
WINDOW = 24
TOGETHER = 8
"""Frames edited in one window, and shown to the network at once (the published code's batch, arXiv:2307.10373)."""


@dataclass(frozen=True)
class Window:
    """Frames of a clip that are edited together: some are key frames, and some of those were edited in an earlier window."""

    frames: tuple[int, ...]
    keys: tuple[int, ...]
    carried: tuple[int, ...] = ()

    def places(self, frames: Sequence[int]) -> tuple[int, ...]:
        """Where frames of the clip stand in the window."""
        return tuple(self.frames.index(frame) for frame in frames)


def windows(frames: int, *, spacing: int = SPACING, most: int = WINDOW) -> list[Window]:
    """A clip's windows of at most `most` frames, with a key frame every `spacing` frames and at both ends.

    Each later window carries on from the clip's first frame and the last key frame before it. Raises ValueError if a
    window has no room for them and the way to the next key frame.
    """
    if frames < 1 or spacing < 1 or most < spacing + 2:
        raise ValueError(
            f"A clip has at least one frame, key frames at least 1 apart, and windows of at least 2 frames more than that; "
            f"got {frames} frames, key frames {spacing} apart and windows of {most}."
        )
    keys = sorted({*range(0, frames, spacing), frames - 1})
    found, spans = [Window((0,), (0,))], list(pairwise(keys))
    for before, after in spans:
        last = found[-1]
        if len(last.frames) + after - before > most:
            carried = tuple(sorted({0, before}))
            last = Window(carried, carried, carried)
            found.append(last)
        more = tuple(range(before + 1, after + 1))
        found[-1] = replace(last, frames=(*last.frames, *more), keys=(*last.keys, after))
    return found


Make = Callable[[Window], tuple[tuple[tuple[int, ...], ...], Sequence[Technique]]]
"""How a window is edited: its chunks (`Chunked`), and its techniques; both number the frames by their places in it."""


def edit_clip(
    edit: Edit, plan: Sequence[Window], make: Make, memory: Memory | None = None, on_step: OnStep | None = None
) -> Edited:
    """The frames of an edit with one target, held on their trajectory and edited window by window.

    What `make` gives for a window comes after the target's own techniques. Frames that a window carries on walk the path
    that they were edited along: so a frame on a seam is the same in both windows, and the new key frames look at it.
    Progress counts the steps of all windows. Raises as `Edit.run`.
    """
    (target,), ledger = edit.targets, Ledger(memory, edit.denoiser.device)
    targets: dict[int, Latent] = {}
    sources: dict[int, tuple[Latent, ...]] = {}
    paths: dict[int, dict[float, Latent]] = {}
    sigmas = edit.trajectory.sigmas[edit.start : -1].tolist()
    for number, window in enumerate(plan):
        chunks, techniques = make(window)
        carried = pinned(window.places(window.carried), [paths[frame] for frame in window.carried])
        part = replace(
            edit,
            trajectory=edit.trajectory.rows(window.frames),
            denoiser=Chunked(edit.denoiser, chunks),
            targets=[replace(target, techniques=[*target.techniques, *techniques, carried])],
            anchor=direct,
        )
        followed: dict[float, Latent] = {}
        watch = _watching(followed, sigmas, number, len(plan), on_step)
        (edited,) = part.run_within(ledger, watch)
        for place, frame in enumerate(window.frames):
            targets[frame] = edited.target[place : place + 1]
            sources[frame] = tuple(x[place : place + 1] for x in edited.source)
        kept = plan[number + 1].carried if number + 1 < len(plan) else ()
        paths = {f: paths.get(f) or {s: x[window.places([f])[0]] for s, x in followed.items()} for f in kept}
    levels = zip(*(sources[frame] for frame in sorted(sources)), strict=True)
    return Edited(torch.cat([targets[f] for f in sorted(targets)]), tuple(torch.cat(level) for level in levels))


def pinned(places: Sequence[int], paths: Sequence[dict[float, Latent]]) -> Technique:
    """Keeps rows of the target on paths: the latent after each step, by the sigma at which the step began."""

    def blend(x_target: Latent, x_source: Latent, sigma: float, bank: Bank, state: Any) -> tuple[Latent, Any]:
        if not places:
            return x_target, state
        x = x_target.clone()
        x[list(places)] = torch.stack([path[sigma] for path in paths]).to(x)
        return x, state

    return Technique(blend=blend)


def _watching(
    followed: dict[float, Latent], sigmas: Sequence[float], number: int, total: int, on_step: OnStep | None
) -> OnStep:
    """Notes the target's latents in `followed`, and tells `on_step` where the whole clip is."""

    def watch(progress: Progress) -> None:
        followed[sigmas[progress.index]] = progress.x.cpu()
        if on_step is not None:
            steps = progress.total
            on_step(replace(progress, index=number * steps + progress.index, total=total * steps))

    return watch
