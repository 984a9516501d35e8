"""A picture and a model to work on it with, and the picture's trajectory."""

import argparse
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.files import trajectory_file
from ..inversion_core.inversions import INVERSIONS, invert
from ..inversion_core.quality.diagnosis import CONVERGED
from ..inversion_core.quality.metrics import psnr
from ..inversion_core.refine import refine
from ..inversion_core.shapes import Latent
from ..inversion_core.trajectory import Provenance, Trajectory
from ..inversion_core.types import Denoiser
from ..pictures.errors import UserError
from ..pictures.files import Pixels, read_picture, shrink, to_pixels, to_tensor
from ..toybox.limits import COMMAND_LINE, about_image
from .batch import Making
from .models import TOYBOXES, studio_of
from .options import INVERSION_NAMES
from .progress import bar

SAME_PICTURE = 1e-2
"""Relative distance of two encodings of one picture, by devices and precisions; different pictures are 1 apart."""


@dataclass(frozen=True)
class Workspace:
    """A model, a picture and its clean latent; `foreign` is what the model says of a picture that it was not made for."""

    studio: Studio
    pixels: Pixels
    x0: Latent
    foreign: str = ""

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]

    def picture(self, x0: Latent) -> Pixels:
        return to_pixels(self.studio.decode(x0), self.size)


def open_workspace(options: argparse.Namespace) -> Workspace:
    """Read the picture and load the model. Raises UserError if either cannot be."""
    pixels = open_picture(options.picture, options)
    studio = studio_of(options)
    picture = to_tensor(pixels, studio.multiple)
    foreign = options.model in TOYBOXES and about_image(
        picture, lambda small: studio.decode(studio.encode_picture(small)), COMMAND_LINE
    )
    if foreign:
        _say(f"note: {foreign}")
    elif max(pixels.shape) > 2 * studio.trained_size and not options.resize:
        _say(
            f"note: the image is {pixels.shape[1]} x {pixels.shape[0]}, but the model was trained on {studio.trained_size} x "
            f"{studio.trained_size}; --resize {studio.trained_size} is faster and works better."
        )
    x0 = studio.encode_picture(picture)
    x0 = refine(studio.decoded, x0, picture, steps=options.refine) if options.refine else x0
    return Workspace(studio, pixels, x0, foreign or "")


def open_picture(path: Path, options: argparse.Namespace) -> Pixels:
    """A picture, shrunk if that was asked for. Raises UserError as `read_picture`."""
    pixels = read_picture(path)
    return shrink(pixels, options.resize) if options.resize else pixels


def making_of(options: argparse.Namespace) -> Making:
    """The steps, the guidance and the bars that were asked for."""
    return Making(options.steps, options.guidance, partial(bar, shown=not options.quiet))


def trajectory_of(
    workspace: Workspace, options: argparse.Namespace, prompt: str | None, steps: int | None = None
) -> Trajectory:
    """The trajectory in the file that was named, checked against model, picture and prompt, or a new one of so many steps."""
    if getattr(options, "trajectory", None) is None:
        return new_trajectory(workspace.studio, workspace.x0, prompt or "", options, steps=steps)
    trajectory = trajectory_file.load_trajectory(options.trajectory)
    trajectory_file.require_same_model(trajectory.provenance, workspace.studio.denoiser.identity)
    if prompt is not None and prompt != trajectory.provenance.prompt:
        raise UserError(
            f"{options.trajectory} was inverted as '{trajectory.provenance.prompt}', not '{prompt}'. Leave --source out, or invert "
            "the image again with the new prompt."
        )
    same = trajectory.shape == tuple(workspace.x0.shape) and _distance(trajectory.xs[-1], workspace.x0) < SAME_PICTURE
    if not same:
        raise UserError(
            f"{options.trajectory} is the trajectory of another image than {options.picture}, or of another size. Use the image that was inverted."
        )
    return trajectory


def new_trajectory(
    studio: Studio,
    x0: Latent,
    prompt: str,
    options: argparse.Namespace,
    *,
    steps: int | None = None,
    denoiser: Denoiser | None = None,
) -> Trajectory:
    """Invert a latent at guidance 1 by the inversion that was asked for, in `steps` or as many as the options or the model say.

    `denoiser` stands for the studio's own, as for clips.
    """
    name = options.inversion or "ddim"
    sigmas = studio.grid(steps or options.steps or studio.steps, x0)
    with bar(shown=not options.quiet) as on_step:
        trajectory = invert(
            INVERSIONS[INVERSION_NAMES[name]],
            denoiser or studio.denoiser,
            x0,
            sigmas,
            studio.cond(prompt),
            provenance=Provenance(studio.denoiser.identity, name, prompt=prompt),
            on_step=on_step,
        )
    if trajectory.residuals and max(trajectory.residuals) > CONVERGED:
        _say(f"note: the fixed point was not found at every step (residual {max(trajectory.residuals):.1e}).")
    return trajectory


def psnr_text(pixels: Pixels, other: Pixels) -> str:
    """How close two pictures are, in words."""
    return f"{float(psnr(to_tensor(pixels), to_tensor(other))):.1f} dB"


def _distance(x: Latent, y: Latent) -> float:
    return float(torch.linalg.vector_norm(x.cpu() - y.cpu()) / torch.linalg.vector_norm(y.cpu()))


def _say(text: str) -> None:
    print(text, file=sys.stderr)
