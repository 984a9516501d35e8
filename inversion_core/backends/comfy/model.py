"""What a ComfyUI model is: its noise path, its sigma grids, its latents, what it takes."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import comfy.model_management
import comfy.model_sampling
import comfy.samplers
import torch
from torch import Tensor

from ...paths import RF, VE, NoisePath
from ...shapes import Latent, Sigmas

ModelPatcher: TypeAlias = Any
"""comfy.model_patcher.ModelPatcher: ComfyUI's MODEL."""

TEXT = ("context_dim", "context_in_dim", "joint_attention_dim", "text_dim")
"""What ComfyUI's configurations of networks call the width of their text."""
NOISE_ALONE = 1000.0
"""A noise level at which nothing is left of a picture; Stable Diffusion's own highest is 14.6, zero terminal SNR has 4519."""
OTHERS = ("EDM", "X0", "IMG_TO_IMG_FLOW")
"""Kinds of sampling that ComfyUI derives from eps or flow, but that scale or predict otherwise; not every version has all."""


PICTURES = ("QwenImage", "Anima", "Krea2", "JoyImage", "HunyuanImage21Refiner")
"""Models of pictures whose latents have a frame axis, as ComfyUI names their classes."""


def path_of(model: ModelPatcher) -> NoisePath:
    """The noise path of a model.

    Raises ValueError for kinds that are neither eps, v nor rectified flow, and for one that the network cannot predict.
    """
    sampling = model.get_model_object("model_sampling")
    others = tuple(getattr(comfy.model_sampling, name) for name in OTHERS if hasattr(comfy.model_sampling, name))
    known = not isinstance(sampling, others) and isinstance(
        sampling, comfy.model_sampling.CONST | comfy.model_sampling.EPS
    )
    if not known:
        kinds = [kind.__name__ for kind in type(sampling).__mro__ if kind.__module__.startswith("comfy.model_sampling")]
        raise ValueError(
            f"This model samples as {', '.join(kinds)}, but inversion supports only eps- and v-prediction (Stable Diffusion 1, 2, "
            "XL) and rectified flow (SD3, Flux, Qwen-Image, Wan). Use a model of these kinds."
        )
    check_predicted(samplings(model)[0], sampling)
    return RF if isinstance(sampling, comfy.model_sampling.CONST) else VE


def check_predicted(own: Any, used: Any) -> None:
    """Raises ValueError if a model of the sampling `own` was told to sample as `used`, and cannot."""
    known = {"v": comfy.model_sampling.V_PREDICTION, "rectified flow": comfy.model_sampling.CONST}
    for what, kind in known.items():
        if isinstance(own, kind) and not isinstance(used, kind):
            raise ValueError(
                f"This model predicts {what}, but a node on it samples as another kind (ModelSamplingDiscrete with 'eps' or 'lcm'), "
                "which gives nonsense. Remove that node, or choose the model's own kind there."
            )
    last = float(used.sigma_max)
    if not isinstance(used, tuple(known.values())) and last > NOISE_ALONE:
        raise ValueError(
            f"This model predicts noise (eps), but its sampling ends in pure noise (sigma {last:.0f}, as 'zsnr' of "
            "ModelSamplingDiscrete makes it), from which no image can be predicted. Switch zsnr off, or use a v-prediction model."
        )


def sigmas_of(model: ModelPatcher, scheduler: str, steps: int) -> Sigmas:
    """The levels of one of ComfyUI's schedulers, as it gives them: not every scheduler falls at every step."""
    levels = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), scheduler, steps)
    return levels.cpu().to(torch.float64, copy=True)


def latent_of(model: ModelPatcher, samples: Tensor) -> Latent:
    """A LATENT's samples as the model takes them: a picture for a video model is a video of one frame.

    Raises ValueError if they have another number of channels or dimensions than the model works on.
    """
    latents = model.get_model_object("latent_format")
    channels, space = latents.latent_channels, latents.latent_dimensions
    if space == 3 and samples.ndim == 4:
        samples = samples.unsqueeze(2)
    if samples.shape[1] != channels:
        raise ValueError(
            f"The latent has {samples.shape[1]} channels, but this model works on {channels}: the latent comes from the VAE or the "
            "trajectory of another kind of model. Encode with the VAE of this model."
        )
    if samples.ndim != space + 2:
        raise ValueError(
            f"The latent has the shape {tuple(samples.shape)}, but this model works on {space} dimensions beside batch and channels "
            "(images have two, videos three). Encode with the VAE of this model."
        )
    check_size(model, samples.shape[-2:])
    return samples


def check_size(model: ModelPatcher, sides: Sequence[int]) -> None:
    """Raises ValueError if height or width of a latent is beyond the positions that the network has learnt (SD3: `pos_embed_max_size`)."""
    network = model.model.diffusion_model
    most, embedding = getattr(network, "pos_embed_max_size", None), getattr(network, "pos_embed", None)
    if most is None or embedding is None or all((side + 1) // network.patch_size <= most for side in sides):
        return
    ratio = getattr(model.get_model_object("latent_format"), "spacial_downscale_ratio", 8)
    (height, width), side = (int(one * ratio) for one in sides), most * network.patch_size * ratio
    raise ValueError(
        f"The image, padded to a size that suits the model, is {width} x {height} pixels, but this model takes at most {side} x "
        f"{side}. Scale the image down before encoding."
    )


def text_width(model: ModelPatcher) -> int | None:
    """The width of the embeddings of text that the network takes, where the model's configuration tells it."""
    known = model.model.model_config.unet_config
    stated = known.get("context_embedder_config", {}).get("params", {}).get("in_features")
    return next((width for width in (stated, *map(known.get, TEXT)) if isinstance(width, int)), None)


def needs_pooled(model: ModelPatcher) -> bool:
    """Whether the network takes the pooled output of a text encoder beside the embeddings (SDXL, SD3, HunyuanVideo)."""
    try:
        model.model.encode_adm()
    except KeyError as missing:
        return missing.args == ("pooled_output",)
    except (TypeError, AttributeError, IndexError):  # it asks for something else first
        return False
    return False


def is_of_pictures(model: ModelPatcher) -> bool:
    """Whether each latent of the model is of one picture, though it may have a frame axis."""
    flat = model.get_model_object("latent_format").latent_dimensions == 2
    return flat or any(kind.__name__ in PICTURES for kind in type(model.model).__mro__)


def is_guidance_distilled(model: ModelPatcher) -> bool:
    """Whether guidance is an input of the network, as in Flux dev and HunyuanVideo.

    Such a network has learned to predict what guidance would give in one evaluation, and never saw an unconditional
    branch; ComfyUI notes the layer that takes the number as `guidance_embed` when it loads the weights.
    """
    return bool(model.model.model_config.unet_config.get("guidance_embed"))


def samplings(model: ModelPatcher) -> tuple[Any, Any]:
    """The model's own sampling, and that with which it is patched."""
    name = "model_sampling"
    return model.object_patches_backup.get(name, getattr(model.model, name)), model.get_model_object(name)


def resident(model: ModelPatcher, shape: tuple[int, ...]) -> ModelPatcher:
    """A clone of `model` that lies in the device's memory as a whole, for gradients; twice the memory of sampling is made free.

    Raises RuntimeError where ComfyUI keeps the weights in reused buffers and cannot give a plain copy of the model.
    """
    clone = model.clone()
    if getattr(clone, "is_dynamic", lambda: False)():
        try:
            clone = model.clone(disable_dynamic=True)
        except RuntimeError as error:
            raise RuntimeError(
                "Null-text needs gradients, and ComfyUI's dynamic VRAM cannot give a plain copy of a model from this "
                "loader. Start ComfyUI with --disable-dynamic-vram."
            ) from error
    memory = 2 * clone.memory_required([2 * shape[0], *shape[1:]])
    comfy.model_management.load_models_gpu([clone], memory_required=memory, force_full_load=True)
    return clone
