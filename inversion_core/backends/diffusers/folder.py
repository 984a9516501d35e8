"""Stable Diffusion and Flux pipelines in diffusers' folder format."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)
from transformers import AutoTokenizer, CLIPTextModel, CLIPTextModelWithProjection, T5EncoderModel

from ...wording import quoted
from .parts import check_fit, read_part, read_weights, said
from .studio import Studio, flow_studio, studio
from .text import FLUX_T5_LENGTH, SD3_T5_LENGTH, TextEncoder, flux_words, joined_words, sd3_words

Encoders = Mapping[str, tuple[Any, Any]]
"""Pairs of tokenizer and text model by the names of their folders' parts; those that the pipeline goes without are missing."""
FLUX_SIDE = 128
"""Flux's latents have no size of their own; diffusers' default is 1024 pixels, 128 x 128."""


@dataclass(frozen=True)
class Pipeline:
    """What a kind of pipeline consists of, and how its parts become a studio.

    `half` is the precision for a GPU; bfloat16 where T5 reads the prompts, which overflows float16.
    """

    network: tuple[str, Any]
    scheduler: Any
    encoders: Mapping[str, Any]
    build: Callable[[Any, Any, Encoders, Any, Mapping[str, Any]], Studio]
    half: torch.dtype = torch.bfloat16

    def precision(self, device: str | torch.device) -> torch.dtype:
        """The network's usual precision on a device."""
        return self.half if torch.device(device).type == "cuda" else torch.float32


def _unet(network: Any, vae: Any, encoders: Encoders, scheduler: Any, index: Mapping[str, Any]) -> Studio:
    blank = bool(index.get("force_zeros_for_empty_prompt"))
    return studio(unet=network, vae=vae, encoders=list(encoders.values()), scheduler=scheduler, blank_is_zero=blank)


def _sd3(network: Any, vae: Any, encoders: Encoders, scheduler: Any, index: Mapping[str, Any]) -> Studio:
    t5 = TextEncoder(*encoders["text_encoder_3"], most=SD3_T5_LENGTH) if "text_encoder_3" in encoders else None
    clips = [TextEncoder(*encoders[name], cut=t5 is not None) for name in ("text_encoder", "text_encoder_2")]
    return flow_studio(
        transformer=network,
        vae=vae,
        words=sd3_words(clips, t5, features=network.config.joint_attention_dim),
        tokens=joined_words(clips[0], t5, more=SD3_T5_LENGTH),
        scheduler=scheduler,
        side=network.config.sample_size,
        guidance=7.0,
    )


def _flux(network: Any, vae: Any, encoders: Encoders, scheduler: Any, index: Mapping[str, Any]) -> Studio:
    t5 = TextEncoder(*encoders["text_encoder_2"], most=FLUX_T5_LENGTH)
    return flow_studio(
        transformer=network,
        vae=vae,
        words=flux_words(TextEncoder(*encoders["text_encoder"], cut=True), t5),
        tokens=t5.words,
        scheduler=scheduler,
        side=FLUX_SIDE,
        guidance=3.5,
    )


CLIP, T5 = CLIPTextModelWithProjection, T5EncoderModel
UNET, SD3 = ("unet", UNet2DConditionModel), ("transformer", SD3Transformer2DModel)
FLUX, FLOW = ("transformer", FluxTransformer2DModel), FlowMatchEulerDiscreteScheduler
SD3_ENCODERS = {"text_encoder": CLIP, "text_encoder_2": CLIP, "text_encoder_3": T5}
SAFE = {"trust_remote_code": False}
GONE_WITHOUT = ("text_encoder_3",)
"""SD3's T5, the largest of its parts, may be left out."""

PIPELINES = {
    "StableDiffusionPipeline": Pipeline(UNET, DDIMScheduler, {"text_encoder": CLIPTextModel}, _unet, torch.float16),
    "StableDiffusionXLPipeline": Pipeline(
        UNET, DDIMScheduler, {"text_encoder": CLIPTextModel, "text_encoder_2": CLIP}, _unet, torch.float16
    ),
    "StableDiffusion3Pipeline": Pipeline(SD3, FLOW, SD3_ENCODERS, _sd3),
    "FluxPipeline": Pipeline(FLUX, FLOW, {"text_encoder": CLIPTextModel, "text_encoder_2": T5}, _flux),
}


def load_pipeline_folder(
    folder: str | os.PathLike[str], *, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
) -> Studio:
    """The studio in a diffusers-format folder of a Stable Diffusion or Flux pipeline; nothing is downloaded.

    Without `dtype` the network has the half precision that suits it on a CUDA device, else float32. The autoencoder
    stays in float32, which some of them need. Raises ValueError if the folder is not such a pipeline.
    """
    folder = Path(folder)
    index = _index(folder)
    kind = PIPELINES[index["_class_name"]]
    dtype = dtype or kind.precision(device)
    encoders = {}
    for name, cls in kind.encoders.items():
        if isinstance(named := index.get(name), list) and named[:1] not in ([], [None]):
            tokenizer = read_part(folder, name.replace("text_encoder", "tokenizer"), AutoTokenizer, SAFE)
            model = read_weights(folder, name, cls, {**SAFE, "torch_dtype": dtype})
            encoders[name] = (tokenizer, model.to(device).eval())
    if missing := set(kind.encoders) - {*encoders, *GONE_WITHOUT}:
        raise ValueError(
            f"The model in {folder} lacks {', '.join(sorted(missing))}: without, no prompt can be read. Download the model again."
        )
    part, cls = kind.network
    network = read_weights(folder, part, cls, {"torch_dtype": dtype, "low_cpu_mem_usage": False}).to(device)
    vae = read_weights(folder, "vae", AutoencoderKL, {"low_cpu_mem_usage": False}).to(device)
    scheduler = read_part(folder, "scheduler", kind.scheduler, {})
    check_fit(folder, network, vae, encoders)
    try:
        return kind.build(network, vae, encoders, scheduler, index)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"The parts of the model in {folder} do not fit together: {said(error)}. Download the whole model again."
        ) from error


def _index(folder: Path) -> dict[str, Any]:
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{folder} is not a model folder in diffusers' format: model_index.json cannot be read ({said(error)}). Convert a single "
            ".safetensors checkpoint first (StableDiffusionPipeline.from_single_file, save_pretrained)."
        ) from error
    name = index.get("_class_name") if isinstance(index, dict) else None
    if not isinstance(name, str) or name not in PIPELINES:
        raise ValueError(
            f"The model_index.json in {folder} names the pipeline {quoted(name)}; this version reads {', '.join(PIPELINES)}."
        )
    return index
