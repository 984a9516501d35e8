"""Which model the commands work with, and where it runs."""

import torch

from ..inversion_core.backends.diffusers_studio import Studio
from .mistakes import Mistake

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load_studio(model: str, *, device: str = "auto", dtype: str = "auto") -> Studio:
    """The toybox, or the model in a folder of diffusers' format. Raises Mistake if it is not there or cannot run so."""
    quiet()
    place = pick_device(device)
    kind = DTYPES[dtype] if dtype != "auto" else torch.float16 if place.type == "cuda" else torch.float32
    if model == "toybox":
        return load_toybox(place, torch.float32 if dtype == "auto" else kind)
    from ..inversion_core.backends.diffusers_folder import load_pipeline_folder

    return load_pipeline_folder(model, device=place, dtype=kind)


def load_toybox(device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Studio:
    """The embedded model of the toybox. Raises Mistake if its weights are missing."""
    from ..inversion_core.backends.diffusers_studio import studio
    from ..toybox.loaders import load_diffusers

    quiet()
    try:
        parts = load_diffusers()
    except FileNotFoundError as error:
        raise Mistake(f"The toybox model is incomplete: {error}.") from error
    return studio(
        unet=parts.unet.to(device, dtype),
        vae=parts.vae.to(device),
        encoders=[(parts.tokenizer, parts.text_encoder.to(device, dtype))],
        scheduler=parts.scheduler,
    )


def pick_device(name: str) -> torch.device:
    """The named device, or with `auto` the best there is. Raises Mistake if it is not there."""
    if name == "auto":
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise Mistake(f"The device '{name}' cannot be used here; try --device cpu.") from error
    return device


def quiet() -> None:
    """Keeps the libraries' own bars and remarks off the screen."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (diffusers_logging, transformers_logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()
