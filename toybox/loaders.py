"""Loads the toybox's models: for diffusers, and the judge. (`hosts` makes studios of them, and loads them for ComfyUI.)"""

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from .control import build_control, read_control_state
from .epsilon import EpsilonUNet
from .models import FLOW_SHIFT, NOISE_SCHEDULE, Judge, build_autoencoder, build_flow, build_text_encoder, build_unet
from .text import load_tokenizer, vocabulary
from .weights import TOKENIZER, filled, read_weights

Prediction = Literal["v_prediction", "epsilon"]


@dataclass(frozen=True)
class DiffusersModels:
    """The parts of a latent diffusion model as diffusers and transformers know them, float32, in eval mode."""

    vae: Any  # AutoencoderKL; scaling_factor 1.0, latents of zero mean and unit variance per channel
    unet: Any  # UNet2DConditionModel, or the same seen as an epsilon network
    text_encoder: Any  # CLIPTextModel
    tokenizer: Any  # CLIPTokenizer
    scheduler: Any  # DDIMScheduler


def load_diffusers(prediction_type: Prediction = "v_prediction") -> DiffusersModels:
    """Return the toybox's models for diffusers.

    The weights predict v; with "epsilon" the UNet is wrapped: eps = alpha v + sigma x, the same denoiser.

    Raises:
        ValueError: another prediction type.
        FileNotFoundError: the weights are missing.
    """
    if prediction_type not in ("v_prediction", "epsilon"):
        raise ValueError(f"prediction_type must be 'v_prediction' or 'epsilon', got {prediction_type!r}")
    from diffusers import DDIMScheduler

    unet = read_weights(build_unet(), "unet")
    scheduler = DDIMScheduler(
        **NOISE_SCHEDULE, prediction_type=prediction_type, clip_sample=False, set_alpha_to_one=True, steps_offset=1
    )
    return DiffusersModels(
        vae=load_autoencoder(),
        unet=unet if prediction_type == "v_prediction" else EpsilonUNet(unet).eval(),
        text_encoder=load_text_encoder(),
        tokenizer=load_tokenizer(TOKENIZER),
        scheduler=scheduler,
    )


@dataclass(frozen=True)
class FlowModels:
    """The parts of the rectified-flow model as diffusers and transformers know them, float32, in eval mode.

    The transformer takes the text encoder's last hidden states and its pooler_output, and 1000 sigma as the time step.
    """

    vae: Any  # AutoencoderKL; scaling_factor 1.0, latents of zero mean and unit variance per channel
    transformer: Any  # SD3Transformer2DModel; predicts noise - x0 of x = (1 - sigma) x0 + sigma noise
    text_encoder: Any  # CLIPTextModel
    tokenizer: Any  # CLIPTokenizer
    scheduler: Any  # FlowMatchEulerDiscreteScheduler, shift 1


def load_flow() -> FlowModels:
    """Return the toybox's rectified-flow models for diffusers. Raises FileNotFoundError without their weights."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowModels(
        vae=load_autoencoder(),
        transformer=read_weights(build_flow(), "transformer"),
        text_encoder=load_text_encoder(),
        tokenizer=load_tokenizer(TOKENIZER),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=FLOW_SHIFT),
    )


def load_control() -> Any:
    """Return the UNet's trained ControlNetModel; its hint is `control.edges`. Raises FileNotFoundError without weights."""
    return filled(build_control(), read_control_state())


def load_autoencoder() -> nn.Module:
    """Return the trained AutoencoderKL. Raises FileNotFoundError without its weights."""
    return read_weights(build_autoencoder(), "vae")


def load_text_encoder() -> nn.Module:
    """Return the trained CLIPTextModel. Raises FileNotFoundError without its weights."""
    return read_weights(build_text_encoder(len(vocabulary())), "text_encoder")


def load_judge() -> Judge:
    """Return the trained judge; see `judge` for how to ask it. Raises FileNotFoundError without its weights."""
    return read_weights(Judge(), "judge")
