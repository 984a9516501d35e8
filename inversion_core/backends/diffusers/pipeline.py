"""Pipelines of diffusers that are loaded already, and checkpoints in a single file, as studios."""

import copy
import os
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ...wording import plain, quoted
from .folder import GONE_WITHOUT, PIPELINES, Pipeline
from .parts import check_fit, said
from .studio import Studio

MARKS = {
    "FluxPipeline": "double_blocks.",
    "StableDiffusion3Pipeline": "joint_blocks.",
    "StableDiffusionXLPipeline": "conditioner.",
    "StableDiffusionPipeline": "model.diffusion_model.",
}
"""What is in the names of a checkpoint's weights, by the kind of its pipeline; the first that is found says it."""


def studio_of_pipeline(
    pipeline: Any, *, device: torch.device | None = None, dtype: torch.dtype | None = None
) -> Studio:
    """The studio of a Stable Diffusion or Flux pipeline of diffusers, where it lies, or on `device` and in `dtype`.

    The pipeline's own parts are shared; an autoencoder in half precision is copied to float32, which some need. Raises
    ValueError if it is no such pipeline, only a part of one, or its parts move between devices by themselves.
    """
    kind = _kind_of(pipeline)
    part, _ = kind.network
    encoders = {
        name: (getattr(pipeline, name.replace("text_encoder", "tokenizer"), None), getattr(pipeline, name, None))
        for name in kind.encoders
    }
    encoders = {name: pair for name, pair in encoders.items() if None not in pair}
    network, vae = getattr(pipeline, part), pipeline.vae
    if missing := {name for name in kind.encoders if name not in (*encoders, *GONE_WITHOUT)}:
        raise ValueError(f"The pipeline lacks {', '.join(sorted(missing))}: without, no prompt can be read.")
    if any(hasattr(module, "_hf_hook") for module in (network, vae)):
        raise ValueError(
            "The pipeline moves its parts between devices by itself (CPU offload). Load it without, and move it with .to(device)."
        )
    for module in (network, *(model for _, model in encoders.values())):
        if device is not None or dtype is not None:
            module.to(device or module.device, dtype or module.dtype)
    place = device or network.device
    vae = vae.to(place) if vae.dtype == torch.float32 else copy.deepcopy(vae).to(place, torch.float32)
    check_fit("the pipeline", network, vae, encoders)
    scheduler = kind.scheduler.from_config(pipeline.scheduler.config)
    return kind.build(network, vae, encoders, scheduler, pipeline.config)


def _kind_of(pipeline: Any) -> Pipeline:
    names = [one.__name__ for one in type(pipeline).__mro__]
    known = [PIPELINES[name] for name in names if name in PIPELINES]
    if known:
        return known[0]
    if isinstance(pipeline, torch.nn.Module):
        raise ValueError(
            f"This is a {names[0]}, which is one part of a model. Give the whole pipeline, or the folder that it was loaded from."
        )
    raise ValueError(
        f"This is a {names[0]}. Give the name of a folder, or a pipeline of diffusers: {', '.join(PIPELINES)}."
    )


def load_single_file(path: str | os.PathLike[str], *, device: torch.device, dtype: torch.dtype | None = None) -> Studio:
    """The studio in a single .safetensors checkpoint, as diffusers reads it; nothing is downloaded.

    Raises ValueError if it is no such file, or if the configurations that diffusers needs beside it are not on this machine.
    """
    import diffusers

    name = kind_in(path)
    dtype = dtype or PIPELINES[name].precision(device)
    try:
        pipeline = getattr(diffusers, name).from_single_file(str(path), local_files_only=True, torch_dtype=dtype)
    except Exception as error:  # whatever the libraries miss or stumble over
        raise ValueError(
            f"{path} cannot be loaded by itself: diffusers needs the model's configuration beside the weights, and nothing is "
            f"downloaded ({said(error)}). Where there is a network, convert the file to a folder once: "
            f"{name}.from_single_file(...).save_pretrained(FOLDER), and give the folder."
        ) from error
    return studio_of_pipeline(pipeline.to(device), dtype=dtype)


def kind_in(path: str | os.PathLike[str]) -> str:
    """The name of the pipeline whose weights a checkpoint holds. Raises ValueError if it is no .safetensors file, or holds none."""
    if not str(path).lower().endswith(".safetensors"):
        raise ValueError(f"{path} is no .safetensors file; .ckpt and .bin files can run code and are not read.")
    try:
        with safe_open(str(path), framework="pt") as file:
            names, metadata = list(file.keys()), file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a .safetensors file: {plain(str(error), 200)}.") from error
    found = next((kind for kind, mark in MARKS.items() if any(mark in name for name in names)), None)
    if found is None:
        what = "a saved trajectory" if "trajectory" in metadata.get("format", "") else "none of a model that is known"
        example = f", such as {quoted(names[0])}" if names else ""
        raise ValueError(f"The weights in {path} are {what}{example}. Give a checkpoint of Stable Diffusion or Flux.")
    return found
