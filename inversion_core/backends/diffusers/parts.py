"""The parts of a model in diffusers' folder format, read from safetensors and JSON alone: no part can bring code."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...wording import plain

WEIGHTS = re.compile(r"(?:diffusion_pytorch_)?model(?:\.(\w+))?(?:-\d+-of-\d+)?\.safetensors")
"""How a file of weights is named: with its variant, such as fp16, and with its number if they lie in several."""


def read_part(folder: Path, part: str, cls: Any, options: Mapping[str, Any]) -> Any:
    """What `cls` reads, with options of its own, from the folder of a part; nothing is downloaded. Raises ValueError if it is missing or broken."""
    if not (folder / part).is_dir():
        raise ValueError(f"The model in {folder} has no folder '{part}'. Download the whole model again.")
    try:
        return cls.from_pretrained(folder / part, local_files_only=True, **options)
    except Exception as error:  # whatever the libraries stumble over in files that are broken, or made to break them
        raise ValueError(
            f"The part '{part}' of the model in {folder} cannot be loaded: {said(error)}. The files are damaged or belong to another "
            "model; download them again."
        ) from error


def read_weights(folder: Path, part: str, cls: Any, options: Mapping[str, Any]) -> Any:
    """A network from the folder of a part, from the variant of its weights that is there.

    Raises ValueError as `read_part`, if there are none in safetensors, or some of its weights are missing.
    """
    files = (folder / part).glob("*.safetensors")
    variants = [found[1] for file in files if (found := WEIGHTS.fullmatch(file.name))]
    if (folder / part).is_dir() and not variants:
        raise ValueError(
            f"The part '{part}' of the model in {folder} contains no safetensors weights; .bin and .ckpt files can run code and are "
            "not read. Download the .safetensors files."
        )
    if variants and None not in variants:
        options = {**options, "variant": min(variants, key=lambda name: (name != "fp16", name))}
    network, told = read_part(folder, part, cls, {**options, "use_safetensors": True, "output_loading_info": True})
    if missing := sorted(told["missing_keys"]):
        raise ValueError(
            f"The part '{part}' of the model in {folder} lacks {len(missing)} of its weights, such as {plain(missing[0], 100)}. The "
            "files belong to another model or version; download them again."
        )
    return network


def check_fit(folder: Path | str, network: Any, vae: Any, encoders: Mapping[str, tuple[Any, Any]]) -> None:
    """Raises ValueError if the network is for other latents than the autoencoder's, or a tokenizer knows words that its text encoder does not."""
    takes, gives = network.config.in_channels, vae.config.latent_channels
    if takes not in (gives, 4 * gives):
        raise ValueError(
            f"The network of the model in {folder} takes {takes} channels, but the autoencoder gives {gives}: this is a model for "
            "inpainting or instructions, or a mix of different models. Use a text-to-image model."
        )
    for name, (tokenizer, model) in encoders.items():
        if len(tokenizer) > model.config.vocab_size:
            raise ValueError(
                f"The tokenizer of '{name}' in {folder} has {len(tokenizer)} words, but the text encoder knows "
                f"{model.config.vocab_size}: they belong to different models. Download the whole model again."
            )


def said(error: Exception) -> str:
    """The first line of what a library says, in short."""
    return plain(next(iter(str(error).splitlines()), type(error).__name__), 200).rstrip(".")
