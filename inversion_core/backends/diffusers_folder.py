"""Stable Diffusion pipelines in diffusers' folder format."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import AutoTokenizer, CLIPTextModel, CLIPTextModelWithProjection

from .diffusers_studio import Studio, studio

PIPELINES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
ENCODERS = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}


def load_pipeline_folder(
    folder: str | os.PathLike[str], *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> Studio:
    """The studio in a diffusers-format folder of a Stable Diffusion 1, 2 or XL pipeline; nothing is downloaded.

    The autoencoder stays in float32, which some of them need. Raises ValueError if the folder is not such a pipeline.
    """
    index = _index(Path(folder))

    def load(cls: Any, part: str, **options: Any) -> Any:
        try:
            return cls.from_pretrained(Path(folder) / part, local_files_only=True, **options)
        except (OSError, KeyError) as error:
            raise ValueError(f"The part '{part}' of the model in {folder} cannot be loaded: {error}") from error

    encoders = []
    for name, cls in ENCODERS.items():
        if index.get(name):
            tokenizer = load(AutoTokenizer, name.replace("text_encoder", "tokenizer"))
            encoders.append((tokenizer, load(cls, name).to(device, dtype)))
    return studio(
        unet=load(UNet2DConditionModel, "unet", torch_dtype=dtype, low_cpu_mem_usage=False).to(device),
        vae=load(AutoencoderKL, "vae", low_cpu_mem_usage=False).to(device),
        encoders=encoders,
        scheduler=load(DDIMScheduler, "scheduler"),
        blank_is_zero=bool(index.get("force_zeros_for_empty_prompt")),
    )


def _index(folder: Path) -> dict[str, Any]:
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{folder} is no model folder in diffusers' format: its model_index.json cannot be read ({error}). A single "
            ".safetensors checkpoint must be converted first (StableDiffusionPipeline.from_single_file, save_pretrained)."
        ) from error
    if index.get("_class_name") not in PIPELINES:
        raise ValueError(f"{folder} holds a {index.get('_class_name')}; this version reads {' and '.join(PIPELINES)}.")
    return index
