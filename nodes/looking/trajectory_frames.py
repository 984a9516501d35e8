"""The frames of a trajectory's film strip: which levels are shown, and what is decoded of them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...inversion_core.shapes import Latent
from ...inversion_core.trajectory import Trajectory
from ..inverting.decode import pictures_of
from ..sockets import LatentTrajectory

NOISY, EXPECTED, BOTH = "noisy latents", "expected pictures", "both"
ROWS = {NOISY: (NOISY,), EXPECTED: (EXPECTED,), BOTH: (NOISY, EXPECTED)}


@dataclass(frozen=True)
class Film:
    """One picture's trajectory, the levels that are shown, and a row of pictures `[levels, height, width, 3]` for each name."""

    trajectory: Trajectory
    levels: tuple[int, ...]
    rows: dict[str, Tensor]

    @property
    def pictures(self) -> Tensor:
        """The pictures of all rows, one after the other."""
        return torch.cat(list(self.rows.values()))


def shot(record: LatentTrajectory, vae: Any, frames: int, show: str, index: int) -> Film:
    """The film of picture `index`. Raises ValueError if there is no such picture, or if `show` needs a slope and there is none."""
    batch = record.trajectory.shape[0]
    if index >= batch:
        raise ValueError(
            f"The trajectory holds {batch} image{'s' if batch > 1 else ''}, numbered from 0; there is no image {index}. Set index to "
            f"at most {batch - 1}."
        )
    trajectory = record.trajectory.row(index)
    levels = spread(trajectory.steps, frames)
    rows = {name: decoded(record, vae, [LATENTS[name](trajectory, i) for i in levels]) for name in ROWS[show]}
    return Film(trajectory, levels, rows)


def spread(steps: int, frames: int) -> tuple[int, ...]:
    """At most `frames` levels, evenly spaced from the picture (the last) to the noise (the first)."""
    places = torch.linspace(steps, 0, min(frames, steps + 1), dtype=torch.float64)
    return tuple(round(place) for place in places.tolist())


def noisy(trajectory: Trajectory, level: int) -> Latent:
    """The latent at a level, brought to the strength of a picture's: as the network is shown it."""
    return trajectory.xs[level].float() / float(trajectory.path.input_scale(trajectory.sigmas[level]))


def expected(trajectory: Trajectory, level: int) -> Latent:
    """The clean latent `x - sigma dx/dsigma` that the model expected at a level, by the slope to the next one.

    Raises ValueError if the levels were drawn one by one, so that no slope joins them.
    """
    if trajectory.noise is not None:
        raise ValueError(
            f"The latents of {trajectory.provenance.method or 'this method'} were drawn one by one, so no slope between them shows "
            f"what the model expected. Set show to '{NOISY}'."
        )
    first = min(level, trajectory.steps - 1)
    (above, below), sigmas = (x.double() for x in trajectory.xs[first : first + 2]), trajectory.sigmas
    slope = (above - below) / (sigmas[first] - sigmas[first + 1])
    return (trajectory.xs[level].double() - sigmas[level] * slope).float()


LATENTS = {NOISY: noisy, EXPECTED: expected}


def decoded(record: LatentTrajectory, vae: Any, latents: list[Latent]) -> Tensor:
    """A picture `[height, width, 3]` of each latent, in the original size; of a video its first."""
    pixels = pictures_of(vae, record.latent(torch.cat(latents))).float()
    return pixels.reshape(len(latents), -1, *pixels.shape[-3:])[:, 0, ..., :3].clamp(0, 1)
