"""Which model is worked with, and where it runs."""

import os
from dataclasses import replace
from typing import Any

import torch

from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.methods import USUAL, kind_of
from ..inversion_core.wording import nearest, quoted
from ..pictures.errors import UserError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
TOYBOXES = {"toybox": "unet", "toybox-flow": "flow"}
"""The embedded models by name, and their families."""


def load_studio(
    model: Any, *, device: str | torch.device = "auto", dtype: str | torch.dtype = "auto", scheduler: str | None = None
) -> Studio:
    """A model of the toybox, of a folder or a file, or of a pipeline that is loaded, on the levels of `scheduler` or its usual ones.

    Raises UserError if it is not there or cannot run so.
    """
    studio = _load(model, device, dtype)
    if scheduler is None:
        return studio
    if scheduler not in studio.schedulers:
        known = ", ".join(studio.schedulers) or "none; leave `scheduler` out"
        raise UserError(f"This model cannot run on the levels of `scheduler` {scheduler}. It knows: {known}.")
    return replace(studio, levels=studio.schedulers[scheduler])


def few_steps_of(studio: Studio) -> Studio:
    """The studio with the usual guidance and steps of a model that was distilled to few."""
    usual = USUAL[kind_of(studio.denoiser.path, studio.denoiser.distilled, few_steps=True)]
    return replace(studio, guidance=usual.guidance, steps=usual.steps)


def _load(model: Any, device: str | torch.device, dtype: str | torch.dtype) -> Studio:
    quiet()
    kind = _dtype(dtype)
    if not isinstance(model, str | os.PathLike):
        from ..inversion_core.backends.diffusers.pipeline import studio_of_pipeline

        return studio_of_pipeline(model, device=None if device == "auto" else pick_device(device), dtype=kind)
    place, name = pick_device(device), os.fspath(model)
    if name in TOYBOXES:
        return load_toybox(place, kind or torch.float32, family=TOYBOXES[name])
    if not os.path.exists(name):
        raise UserError(
            f"There is no model {quoted(name)}.{nearest(name, TOYBOXES)} Give 'toybox', 'toybox-flow', or the folder of a model in "
            "diffusers' format; nothing is downloaded, so a model of a hub must be downloaded first."
        )
    if os.path.isfile(name):
        from ..inversion_core.backends.diffusers.pipeline import load_single_file

        return load_single_file(name, device=place, dtype=kind)
    from ..inversion_core.backends.diffusers.folder import load_pipeline_folder

    return load_pipeline_folder(name, device=place, dtype=kind)


def _dtype(dtype: str | torch.dtype) -> torch.dtype | None:
    if isinstance(dtype, torch.dtype) or dtype == "auto":
        return None if isinstance(dtype, str) else dtype
    if dtype not in DTYPES:
        raise UserError(
            f"There is no `dtype` {quoted(dtype)}.{nearest(dtype, DTYPES)} Choose from: auto, {', '.join(DTYPES)}."
        )
    return DTYPES[dtype]


def load_toybox(
    device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, *, family: str = "unet"
) -> Studio:
    """The embedded model of the toybox that is a `unet`, or rectified `flow`. Raises UserError if its weights are missing."""
    quiet()
    from ..toybox.hosts.studios import load_studio as load

    try:
        return load(family, device, dtype)
    except FileNotFoundError as error:
        raise UserError(f"The toybox model is incomplete: {error}.") from error


def pick_device(name: str | torch.device) -> torch.device:
    """The named device, or with `auto` the best there is. Raises UserError if it is not there."""
    if name == "auto":
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"The device {quoted(name)} cannot be used here. Try `device` cpu.") from error
    return device


def quiet() -> None:
    """Keeps the libraries' own bars and remarks off the screen."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (diffusers_logging, transformers_logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()
