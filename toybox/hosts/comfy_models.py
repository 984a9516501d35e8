"""The toybox's denoisers as ComfyUI's own models; nothing is added to ComfyUI's global lists."""

from collections.abc import Mapping
from typing import Any

import comfy.latent_formats
import comfy.model_base
import comfy.model_detection
import comfy.model_management as management
import comfy.model_patcher
import comfy.supported_models
import comfy.utils
import torch
from torch import Tensor

from ..models import FLOW, FLOW_DEPTH, FLOW_SHIFT, LATENT_CHANNELS, UNET
from .preview import LATENT_RGB, LATENT_RGB_BIAS


class ToyboxLatents(comfy.latent_formats.LatentFormat):
    """Latents of unit variance: the VAE's are the model's."""

    latent_channels = LATENT_CHANNELS
    latent_rgb_factors = LATENT_RGB
    latent_rgb_factors_bias = LATENT_RGB_BIAS


class ToyboxConfig(comfy.supported_models.SD15):
    """The layout of Stable Diffusion 1, small, predicting v."""

    unet_extra_config = {"num_heads": UNET["attention_head_dim"], "num_head_channels": -1}  # noqa: RUF012
    latent_format = ToyboxLatents

    def model_type(self, state_dict: dict[str, Tensor], prefix: str = "") -> Any:
        return comfy.model_base.ModelType.V_PREDICTION

    def inpaint_model(self) -> bool:
        return False


def unet_config() -> dict[str, Any]:
    """The UNet's sizes under ComfyUI's names."""
    widths, levels = UNET["block_out_channels"], len(UNET["block_out_channels"])
    blocks = UNET["layers_per_block"]
    return {
        "image_size": UNET["sample_size"],
        "in_channels": UNET["in_channels"],
        "out_channels": UNET["out_channels"],
        "model_channels": widths[0],
        "channel_mult": [width // widths[0] for width in widths],
        "num_res_blocks": [blocks] * levels,
        "transformer_depth": [1] * (blocks * levels),
        "transformer_depth_output": [1] * ((blocks + 1) * levels),
        "transformer_depth_middle": 1,
        "context_dim": UNET["cross_attention_dim"],
        "adm_in_channels": None,
        "use_spatial_transformer": True,
        "use_linear_in_transformer": False,
        "use_temporal_attention": False,
        "legacy": False,
    }


class ToyboxFlowConfig(comfy.supported_models.SD3):
    """The layout of Stable Diffusion 3, small, on evenly spaced sigmas."""

    sampling_settings = {"shift": FLOW_SHIFT}  # noqa: RUF012
    latent_format = ToyboxLatents


def flow_config() -> dict[str, Any]:
    """The DiT's sizes under ComfyUI's names."""
    text = {"in_features": FLOW["joint_attention_dim"], "out_features": FLOW["caption_projection_dim"]}
    return {
        "input_size": None,
        "patch_size": FLOW["patch_size"],
        "in_channels": FLOW["in_channels"],
        "out_channels": FLOW["out_channels"],
        "depth": FLOW_DEPTH,
        "adm_in_channels": FLOW["pooled_projection_dim"],
        "context_embedder_config": {"target": "torch.nn.Linear", "params": text},
        "num_patches": FLOW["pos_embed_max_size"] ** 2,
        "pos_embed_max_size": FLOW["pos_embed_max_size"],
        "pos_embed_scaling_factor": None,
        "qk_norm": "rms",
        "x_block_self_attn_layers": [],
    }


def load_unet(state: dict[str, Tensor]) -> Any:
    """The MODEL, a ModelPatcher, from the UNet's weights in diffusers' layout. Raises ValueError if weights are missing."""
    config = ToyboxConfig(unet_config())
    names = comfy.utils.unet_to_diffusers(config.unet_config)
    return _patcher(config, names, state, {names[key]: value for key, value in state.items() if key in names})


def load_flow(state: dict[str, Tensor]) -> Any:
    """The MODEL, a ModelPatcher, from the DiT's weights in diffusers' layout. Raises ValueError if weights are missing."""
    config = ToyboxFlowConfig(flow_config())
    places = comfy.utils.mmdit_to_diffusers(config.unet_config)
    names = {name: place if isinstance(place, str) else place[0] for name, place in places.items()}
    copies = {name: value.clone() for name, value in state.items()}  # ComfyUI converts in place
    return _patcher(config, names, state, comfy.model_detection.convert_diffusers_mmdit(copies))


def _patcher(config: Any, names: Mapping[str, str], state: dict[str, Tensor], renamed: dict[str, Tensor]) -> Any:
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model(renamed, "", device=management.unet_offload_device())
    check_complete(model.diffusion_model, names, state)
    model.load_model_weights(renamed, "")
    return comfy.model_patcher.ModelPatcher(model, management.get_torch_device(), management.unet_offload_device())


def check_complete(network: torch.nn.Module, names: Mapping[str, str], state: Mapping[str, Tensor]) -> None:
    """Raises ValueError unless the state has, under diffusers' names, every weight of the network and no other."""
    weights = set(network.state_dict())
    wanted = {name for name, place in names.items() if place in weights}
    if wanted != set(state):
        raise ValueError(
            f"The toybox's weights do not fit its network: {len(wanted - set(state))} are missing, "
            f"{len(set(state) - wanted)} are unknown. Install the pack again."
        )
