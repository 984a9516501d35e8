"""The model, the picture and its trajectory that the options name."""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..api.inversion import Inversion
from ..api.model import Model, load
from ..api.models import pick_device
from ..api.progress import bar
from ..inversion_core.attention.budget import Memory
from ..inversion_core.attention.kept import PRECISIONS
from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.quality.metrics import psnr
from ..pictures.errors import UserError
from ..pictures.files import Pixels, read_picture, shrink, to_tensor
from .batch import Making
from .loading import loading
from .notes import note
from .options.shared import BANK_PRECISIONS, INVERSION_NAMES


def model_of(options: argparse.Namespace) -> Model:
    """The model that the options name. Raises UserError as `load`."""
    with loading():
        model = load(
            options.model,
            device=options.device,
            dtype=options.dtype,
            scheduler=options.scheduler,
            few_steps=options.few_steps,
            progress=not options.quiet,
        )
    return replace(model, tell=note)


def studio_of(options: argparse.Namespace) -> Studio:
    """The same without what the front door adds."""
    return model_of(options).studio


def open_workspace(options: argparse.Namespace, prompt: str = "") -> Inversion:
    """Read the picture, which shows `prompt`, and load the model; it is not inverted yet. Raises UserError if either cannot be."""
    pixels = read_picture(options.picture)
    return model_of(options).opened(pixels, prompt, refine=options.refine, size=options.resize)


def open_picture(path: Path, options: argparse.Namespace) -> Pixels:
    """A picture, shrunk if that was asked for. Raises UserError as `read_picture`."""
    pixels = read_picture(path)
    return shrink(pixels, options.resize) if options.resize else pixels


def making_of(options: argparse.Namespace) -> Making:
    """The steps, the guidance and the bars that were asked for."""
    return Making(options.steps, options.guidance, partial(bar, shown=not options.quiet))


def inverted(image: Inversion, options: argparse.Namespace, prompt: str | None, steps: int | None = None) -> Inversion:
    """The image with the trajectory in the file that was named, checked against model, picture and prompt, or with a new one of so many steps."""
    if options.trajectory is None:
        return replace(image, prompt=prompt or "").inverted(inversion_of(options), steps or options.steps)
    stored = image.along(options.trajectory)
    if prompt is not None and prompt != stored.prompt:
        raise UserError(
            f"{options.trajectory} was inverted as '{stored.prompt}', not '{prompt}'. Leave --source out, or invert "
            "the image again with the new prompt."
        )
    return stored


def inversion_of(options: argparse.Namespace) -> str:
    """The inversion that was asked for, by the library's name."""
    return INVERSION_NAMES[options.inversion or "ddim"]


def memory_of(options: argparse.Namespace) -> Memory:
    """What the options say of the source's attention; what is decided is printed. Raises UserError if the device is not there."""
    device = pick_device(options.bank_device) if options.bank_device else None
    asked = PRECISIONS[BANK_PRECISIONS[options.bank_precision]]
    return Memory(replace(asked, device=device, budget=options.bank_budget), tell=print)


def psnr_text(pixels: Pixels, other: Pixels) -> str:
    """How close two pictures are, in words."""
    return f"{float(psnr(to_tensor(pixels), to_tensor(other))):.1f} dB"
