"""What is connected or written by mistake, and the sentence that each mistake gets."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ...inversion_core.prompts.script import occurrences, words_of
from .prompt_text import unweighted, weights_of, word_list

NOT_CONNECTED = object()
"""The default of an input in `validate_inputs`, where ComfyUI hands None for what is connected."""


def counted(number: int, what: str) -> str:
    """So many of them."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def check_finite(what: str, values: Tensor) -> None:
    """Raises ValueError if some of the values are NaN or infinite."""
    if wrong := int((~torch.isfinite(values)).sum()):
        raise ValueError(
            f"{what} has {wrong} values that are not finite numbers (NaN or infinity). A node before this one failed: check its output."
        )


def rgb(image: Tensor) -> Tensor:
    """Pictures `[batch, height, width, 3]`: grey is repeated, an alpha channel left out.

    Raises ValueError for other numbers of channels, and where values are not finite.
    """
    check_finite("The image", image)
    channels = image.shape[-1]
    if channels not in (1, 3, 4):
        raise ValueError(
            f"The image has {channels} channels, but needs 3 (red, green, blue), 4 with an alpha channel, which is ignored, or 1 for grey. "
            "Convert the image first."
        )
    return image.expand(*image.shape[:-1], 3) if channels == 1 else image[..., :3]


def require_painted(mask: Tensor | None, name: str = "mask") -> Tensor | None:
    """The mask, if there is one. Raises ValueError if nothing is painted in it, or its values are not finite."""
    if mask is None:
        return None
    check_finite(f"The mask at '{name}'", mask)
    if not bool((mask > 0).any()):
        raise ValueError(
            f"The mask at '{name}' is empty ({mask.shape[-1]} x {mask.shape[-2]}). Paint the region, or connect another mask; Load "
            "Image also outputs an empty mask for images without transparency."
        )
    return mask


def span(start: float, end: float, name: str = "") -> tuple[float, float]:
    """A span of fractions, of the inputs whose names begin with `name`. Raises ValueError if it ends before it starts."""
    if start > end:
        raise ValueError(
            f"{name}start is {start:g} and {name}end {end:g}, so nothing lies between. Set {name}start below {name}end."
        )
    return start, end


def check_vae(vae: Any, name: str = "vae") -> None:
    """Raises ValueError if there is no VAE, or it is one for sound."""
    if vae is None:
        raise ValueError(
            f"There is no VAE at '{name}': the checkpoint contains none. Load a VAE with Load VAE, and connect it."
        )
    if getattr(vae, "latent_dim", 2) not in (2, 3) or getattr(vae, "extra_1d_channel", None):
        raise ValueError(f"The VAE at '{name}' is not an image or video VAE. Connect the VAE of the model.")


@contextmanager
def decoding(vae: Any, samples: Tensor) -> Iterator[None]:
    """A context in which the VAE decodes the samples. Raises ValueError if there is none, it is of another kind of model, or values are not finite."""
    check_vae(vae)
    if samples.ndim == 5 and samples.shape[2] > 1 and getattr(vae, "latent_dim", None) == 2:
        raise ValueError(
            f"The latent is a clip of {samples.shape[2]} frames, but this VAE decodes single images and would show only the first "
            "frame. Connect the VAE of the video model."
        )
    try:
        yield
    except RuntimeError as error:
        wanted = getattr(vae, "latent_channels", samples.shape[1])
        if wanted == samples.shape[1]:
            raise
        raise ValueError(
            f"The latent has {samples.shape[1]} channels, but this VAE decodes {wanted}: the VAE belongs to another kind of model. "
            "Connect the VAE that encoded the image."
        ) from error


def require_words(prompt: str | None, words: Iterable[str], name: str) -> None:
    """Raises ValueError at the first word that is not in the prompt of the input `name`, as it is read; None is a prompt that is linked."""
    if prompt is None:
        return
    read = unweighted(prompt)
    for word in words:
        if not occurrences(read, word):
            known = ", ".join(words_of(read))
            answer = f"Use one of its words: {known}." if known else "It is empty."
            raise ValueError(f"The prompt at '{name}' does not contain the word '{word}'. {answer}")


def check_words(
    source: str | None, target: str | None, source_words: str | None, target_words: str | None, weights: str | None = ""
) -> None:
    """Raises ValueError at words and weights that do not fit their prompts; None is what is linked, and not judged."""
    weighed = weights_of(weights or "")
    require_words(source, word_list(source_words or ""), "source_prompt")
    require_words(target, (*word_list(target_words or ""), *weighed), "target_prompt")


def check_foreground(
    source_mask: bool, target_mask: bool, source_words: str | None, target_words: str | None, *, clip: bool = True
) -> None:
    """Raises ValueError at inputs that do not belong together: which are connected, and what is written (None: linked)."""
    words = [None if text is None else word_list(text) for text in (source_words, target_words)]
    if target_mask and not source_mask:
        raise ValueError(
            "MasaCtrl got a mask at 'target_mask' without one at 'source_mask'. Connect 'source_mask'; if there is only one mask, "
            "connect that mask there."
        )
    if not any(words):
        return
    if source_mask:
        raise ValueError(
            "MasaCtrl got its foreground from both masks and words. Disconnect the masks, or empty the words."
        )
    if () in words:
        raise ValueError("Foregrounds by words need words of both prompts. Fill in 'source_words' and 'target_words'.")
    if not clip:
        raise ValueError("Foregrounds by words need the text encoder. Connect the text encoder at 'clip'.")
