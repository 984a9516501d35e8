"""A picture and a model to work on it with, and the picture's trajectory."""

import argparse
import sys
from dataclasses import dataclass

import torch

from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.files import storage
from ..inversion_core.inversions import INVERSIONS, invert
from ..inversion_core.quality.diagnosis import CONVERGED
from ..inversion_core.refine import refine
from ..inversion_core.shapes import Latent
from ..inversion_core.trajectory import Provenance, Trajectory
from ..pictures.files import Pixels, read_picture, shrunk, to_pixels, to_tensor
from .errors import Mistake
from .models import studio_of
from .options import INVERSION_NAMES
from .progress import bar

SAME_PICTURE = 1e-2
"""Relative distance of two encodings of one picture, by devices and precisions; different pictures are 1 apart."""


@dataclass(frozen=True)
class Job:
    """A model, a picture and its clean latent."""

    studio: Studio
    pixels: Pixels
    x0: Latent

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]

    def guidance(self, wanted: float | None) -> float:
        """The guidance that was asked for, or the model's usual one."""
        return self.studio.guidance if wanted is None else wanted

    def picture(self, x0: Latent) -> Pixels:
        return to_pixels(self.studio.decode(x0), self.size)


def open_job(options: argparse.Namespace) -> Job:
    """Read the picture and load the model. Raises Mistake if either cannot be."""
    pixels = read_picture(options.picture)
    if options.resize:
        pixels = shrunk(pixels, options.resize)
    studio = studio_of(options)
    if max(pixels.shape) > 2 * studio.trained_size and not options.resize:
        _say(
            f"note: the image is {pixels.shape[1]} x {pixels.shape[0]}, but the model was trained on {studio.trained_size} x "
            f"{studio.trained_size}; --resize {studio.trained_size} is faster and works better."
        )
    picture = to_tensor(pixels, studio.multiple)
    x0 = studio.encode_picture(picture)
    return Job(studio, pixels, refine(studio.decoded, x0, picture, steps=options.refine) if options.refine else x0)


def trajectory_of(job: Job, options: argparse.Namespace, prompt: str | None) -> Trajectory:
    """The trajectory in the file that was named, checked against model, picture and prompt, or a new one."""
    if getattr(options, "trajectory", None) is None:
        return new_trajectory(job, options, prompt or "")
    trajectory = storage.load_trajectory(options.trajectory)
    storage.require_same_model(trajectory.provenance, job.studio.denoiser.identity)
    if prompt is not None and prompt != trajectory.provenance.prompt:
        raise Mistake(
            f"{options.trajectory} was inverted as '{trajectory.provenance.prompt}', not '{prompt}'. Leave --source out, or invert "
            "the image again with the new prompt."
        )
    same = trajectory.shape == tuple(job.x0.shape) and _distance(trajectory.xs[-1], job.x0) < SAME_PICTURE
    if not same:
        raise Mistake(
            f"{options.trajectory} is the trajectory of another image than {options.picture}, or of another size. Use the image that was inverted."
        )
    return trajectory


def new_trajectory(job: Job, options: argparse.Namespace, prompt: str) -> Trajectory:
    """Invert the picture at guidance 1."""
    sigmas = job.studio.grid(options.steps or job.studio.steps, job.x0)
    provenance = Provenance(job.studio.denoiser.identity, options.inversion, prompt=prompt)
    with bar(shown=not options.quiet) as on_step:
        trajectory = invert(
            INVERSIONS[INVERSION_NAMES[options.inversion]],
            job.studio.denoiser,
            job.x0,
            sigmas,
            job.studio.cond(prompt),
            provenance=provenance,
            on_step=on_step,
        )
    if trajectory.residuals and max(trajectory.residuals) > CONVERGED:
        _say(f"note: the fixed point was not found at every step (residual {max(trajectory.residuals):.1e}).")
    return trajectory


def _distance(x: Latent, y: Latent) -> float:
    return float(torch.linalg.vector_norm(x.cpu() - y.cpu()) / torch.linalg.vector_norm(y.cpu()))


def _say(text: str) -> None:
    print(text, file=sys.stderr)
