"""The toybox's models as studios of the core, through diffusers."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch

from ...inversion_core.backends.diffusers.studio import Studio, flow_studio, studio
from ...inversion_core.backends.diffusers.text import TextEncoder, summarised_words
from ..limits import COMMAND_LINE, about_words
from ..loaders import load_diffusers, load_flow

T = TypeVar("T")

TOYBOX_GUIDANCE = 3.0
"""At which the toybox's models edit best: every one of twelve edits right at 3, 5 and 7.5, and the rest nearest to the truth at 3."""


def load_studio(family: str = "unet", device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Studio:
    """Return the model that is a `unet`, or rectified `flow`. Raises FileNotFoundError without its weights.

    Its prompts raise ValueError, with the words there are, at a word that the toybox does not know.
    """
    made = FAMILIES[family](device, dtype)
    return replace(made, words=_known(made.words), tokens=_known(made.tokens))


def _known(read: Callable[[str], T]) -> Callable[[str], T]:
    def checked(text: str) -> T:
        if said := about_words(text, COMMAND_LINE):
            raise ValueError(said)
        return read(text)

    return checked


def _unet(device: torch.device | str, dtype: torch.dtype) -> Studio:
    parts = load_diffusers()
    made = studio(
        unet=parts.unet.to(device, dtype),
        vae=parts.vae.to(device),
        encoders=[(parts.tokenizer, parts.text_encoder.to(device, dtype))],
        scheduler=parts.scheduler,
    )
    return replace(made, guidance=TOYBOX_GUIDANCE)


def _flow(device: torch.device | str, dtype: torch.dtype) -> Studio:
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


FAMILIES: dict[str, Callable[[torch.device | str, torch.dtype], Studio]] = {"unet": _unet, "flow": _flow}
