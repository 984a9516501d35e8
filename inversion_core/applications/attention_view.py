"""Where the words of its prompt lie in a picture: attention read along the picture's own trajectory."""

from collections.abc import Callable

import torch

from ..attention.bank import Bank
from ..attention.maps import MapTensor, legible, mean_maps, record_maps
from ..attention.regions import record_spread
from ..attention.site import Site
from ..attention.technique import Pass
from ..loops.integrate import check_usable, working
from ..progress import OnStep, Progress
from ..prompts.tokens import PromptTokens
from ..trajectory import Trajectory
from ..types import Cond, EditableDenoiser, SigmaRange

LOOKS = 5
SPREADS = 1
"""Levels that are looked at, and how often maps are spread: more change the masks of the toybox little."""


def word_attention(
    trajectory: Trajectory,
    denoiser: EditableDenoiser,
    cond: Cond,
    tokens: PromptTokens,
    *,
    active: SigmaRange | None = None,
    looks: int = LOOKS,
    spreads: int = SPREADS,
    where: Callable[[Site], bool] = legible,
    on_step: OnStep | None = None,
) -> MapTensor:
    """The attention that each word of the prompt draws in the trajectory's picture, `attend(q, k, one_hot)`, not normalised.

    The network is shown the trajectory's own latents at `looks` of the levels in `active` (all by default), evenly
    chosen, with the conditional prompt alone; maps are averaged over heads, the sites of `where`, and levels, at the
    finest of the sites' sizes, frames side by side in the batch. With `spreads` they are then spread along the
    picture's attention to itself (`attention.regions.record_spread`), which asks the network as often again. Raises
    ValueError if the prompt has no words or there is no level to look at, UnmatchedEdit if there are no such sites.
    """
    check_usable(trajectory, denoiser)
    words = [word.columns for word in tokens.words]
    if not words:
        raise ValueError("The prompt has no words to look for. Write what the image shows.")
    levels = levels_of(trajectory, active, looks)
    total = len(levels) * (2 if spreads else 1)

    def look(record: Pass, done: int) -> MapTensor:
        found = []
        for place, level in enumerate(levels):
            bank, x, sigma = Bank(), working(trajectory.xs[level], denoiser), trajectory.sigmas[level]
            x0 = denoiser.edited(record(bank))(x, sigma, cond.alone())
            found.append(mean_maps(bank, "words"))
            if on_step is not None:
                on_step(Progress("look", done + place, total, float(sigma), x, x0))
        return torch.stack(found).mean(0)

    maps = look(record_maps("words", words, tokens.length, where=where), 0)
    if spreads:
        maps = look(record_spread("words", maps, times=spreads), len(levels))
    return maps.cpu()


def levels_of(trajectory: Trajectory, active: SigmaRange | None, looks: int) -> list[int]:
    """At most `looks` of the levels in `active` from which steps start, evenly chosen. Raises ValueError if there are none."""
    inside = [n for n in range(trajectory.steps) if active is None or float(trajectory.sigmas[n]) in active]
    if not inside or looks < 1:
        raise ValueError(
            f"{len(inside)} of the trajectory's {trajectory.steps} steps lie in the range, and {looks} looks were requested, so no "
            "attention can be read. Widen the range, or set at least one look."
        )
    count = min(looks, len(inside))
    return [inside[int((place + 0.5) * len(inside) / count)] for place in range(count)]
