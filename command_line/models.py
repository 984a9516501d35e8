"""Which model the commands work with, and where it runs."""

import argparse
from dataclasses import replace

import torch

from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.methods import USUAL, kind_of
from ..inversion_core.wording import quoted
from .errors import Mistake
from .loading import loading

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


TOYBOX_GUIDANCE = 3.0
"""At which the toybox's models edit best: every one of twelve edits right at 3, 5 and 7.5, and the rest nearest to the truth at 3."""

TOYBOXES = {"toybox": "unet", "toybox-flow": "flow"}
"""The embedded models by the names that `--model` knows, and their families."""


def load_studio(model: str, *, device: str = "auto", dtype: str = "auto", scheduler: str | None = None) -> Studio:
    """A model of the toybox, or the model in a folder of diffusers' format, on the levels of `scheduler` or its usual ones.

    Raises Mistake if it is not there or cannot run so.
    """
    loaded = _loaded(model, device, dtype)
    if scheduler is None:
        return loaded
    if scheduler not in loaded.schedulers:
        known = ", ".join(loaded.schedulers) or "none; leave --scheduler out"
        raise Mistake(f"This model cannot run on the levels of --scheduler {scheduler}. It knows: {known}.")
    return replace(loaded, levels=loaded.schedulers[scheduler])


@loading()
def _loaded(model: str, device: str, dtype: str) -> Studio:
    quiet()
    place, kind = pick_device(device), None if dtype == "auto" else DTYPES[dtype]
    if model in TOYBOXES:
        return load_toybox(place, kind or torch.float32, family=TOYBOXES[model])
    from ..inversion_core.backends.diffusers.folder import load_pipeline_folder

    return load_pipeline_folder(model, device=place, dtype=kind)


def studio_of(options: argparse.Namespace) -> Studio:
    """The model that the options name, with the usual guidance and steps of one of few steps if they say so. Raises Mistake as `load_studio`."""
    studio = load_studio(options.model, device=options.device, dtype=options.dtype, scheduler=options.scheduler)
    if not options.few_steps:
        return studio
    usual = USUAL[kind_of(studio.denoiser.path, studio.denoiser.distilled, few_steps=True)]
    return replace(studio, guidance=usual.guidance, steps=usual.steps)


@loading()
def load_toybox(
    device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, *, family: str = "unet"
) -> Studio:
    """The embedded model of the toybox that is a `unet`, or rectified `flow`. Raises Mistake if its weights are missing."""
    quiet()
    try:
        return {"unet": _toybox_unet, "flow": _toybox_flow}[family](device, dtype)
    except FileNotFoundError as error:
        raise Mistake(f"The toybox model is incomplete: {error}.") from error


def _toybox_unet(device: torch.device | str, dtype: torch.dtype) -> Studio:
    from ..inversion_core.backends.diffusers.studio import studio
    from ..toybox.loaders import load_diffusers

    parts = load_diffusers()
    made = studio(
        unet=parts.unet.to(device, dtype),
        vae=parts.vae.to(device),
        encoders=[(parts.tokenizer, parts.text_encoder.to(device, dtype))],
        scheduler=parts.scheduler,
    )
    return replace(made, guidance=TOYBOX_GUIDANCE)


def _toybox_flow(device: torch.device | str, dtype: torch.dtype) -> Studio:
    from ..inversion_core.backends.diffusers.studio import flow_studio
    from ..inversion_core.backends.diffusers.text import TextEncoder, summarised_words
    from ..toybox.loaders import load_flow

    parts = load_flow()
    encoder = TextEncoder(parts.tokenizer, parts.text_encoder.to(device, dtype))
    return flow_studio(
        transformer=parts.transformer.to(device, dtype),
        vae=parts.vae.to(device),
        words=summarised_words(encoder),
        tokens=encoder.words,
        scheduler=parts.scheduler,
        side=parts.transformer.config.sample_size,
        guidance=TOYBOX_GUIDANCE,
    )


def pick_device(name: str) -> torch.device:
    """The named device, or with `auto` the best there is. Raises Mistake if it is not there."""
    if name == "auto":
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise Mistake(f"The device {quoted(name)} cannot be used here. Try --device cpu.") from error
    return device


def quiet() -> None:
    """Keeps the libraries' own bars and remarks off the screen."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (diffusers_logging, transformers_logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()
