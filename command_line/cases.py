"""Edits of the toybox world with their pictures, inverted and optimised in batches."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.inversions import INVERSIONS, invert
from ..inversion_core.methods.null_text import GUIDANCE
from ..inversion_core.progress import OnStep
from ..inversion_core.quality.metrics import psnr
from ..inversion_core.shapes import Picture
from ..inversion_core.trajectory import NullText, Trajectory
from ..inversion_core.types import Cond
from ..toybox.world import Edit, edit_mask, render
from .editing import run_null_text

STEPS = 50


@dataclass(frozen=True)
class World:
    """A model of the toybox world, and the judge that reads its pictures."""

    studio: Studio
    judge: Any


@dataclass(frozen=True)
class Case:
    """An edit with its pictures, and the inverted source."""

    edit: Edit
    picture: Picture
    truth: Picture
    mask: Tensor
    ceiling_psnr: float
    trajectory: Trajectory
    evaluations: int
    seconds: float


def prepare(world: World, edits: Sequence[Edit], *, steps: int = STEPS, on_step: OnStep | None = None) -> list[Case]:
    """Draw the edits' pictures and invert the sources at guidance 1, in one batch."""
    studio, began = world.studio, time.perf_counter()
    pictures, truths = (render([getattr(edit, side) for edit in edits]) for side in ("source", "target"))
    x0 = studio.encode_picture(pictures)
    cond = Cond(studio.encode_prompts([edit.source_caption for edit in edits]))
    sigmas = studio.grid(steps, x0)
    both = invert(INVERSIONS["ddim"], studio.denoiser, x0, sigmas, cond, on_step=on_step)
    seconds = (time.perf_counter() - began) / len(edits)
    ceilings = psnr(studio.decode(x0), pictures)
    return [
        Case(
            edit=edit,
            picture=pictures[row : row + 1],
            truth=truths[row : row + 1],
            mask=edit_mask(edit.source, edit.target)[None, None],
            ceiling_psnr=float(ceilings[row]),
            trajectory=replace(both, xs=tuple(x[row : row + 1] for x in both.xs)),
            evaluations=steps,
            seconds=seconds,
        )
        for row, edit in enumerate(edits)
    ]


@dataclass(frozen=True)
class Optimised:
    """A picture's null-text result and its share of the batch's time."""

    null_text: NullText
    seconds: float


def null_texts(world: World, cases: Sequence[Case], *, on_step: OnStep | None = None) -> list[Optimised]:
    """Null-text of all cases in one batch; the rows do not know of each other."""
    began, both = time.perf_counter(), batch_of_trajectories(cases)
    captions = [case.edit.source_caption for case in cases]
    result = run_null_text(world.studio, both, captions, guidance=GUIDANCE, on_step=on_step)
    seconds = (time.perf_counter() - began) / len(cases)
    rows = (tuple(e[row : row + 1] for e in result.embeddings) for row in range(len(cases)))
    return [Optimised(replace(result, embeddings=embeddings), seconds) for embeddings in rows]


def batch_of_trajectories(cases: Sequence[Case]) -> Trajectory:
    """The trajectories of cases on one grid as one of a batch."""
    xs = zip(*(case.trajectory.xs for case in cases), strict=True)
    return replace(cases[0].trajectory, xs=tuple(torch.cat(level) for level in xs))


def batch_of_null_texts(optimised: Sequence[Optimised]) -> NullText:
    """The results of cases that were optimised together as one of a batch."""
    embeddings = zip(*(result.null_text.embeddings for result in optimised), strict=True)
    return replace(optimised[0].null_text, embeddings=tuple(torch.cat(step) for step in embeddings))
