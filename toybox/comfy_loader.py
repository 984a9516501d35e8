"""Loads the toybox's models as ComfyUI's own MODEL, CLIP and VAE; nothing is added to ComfyUI's global lists."""

from functools import partial
from typing import Any

import comfy.latent_formats
import comfy.model_base
import comfy.model_management as management
import comfy.model_patcher
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models
import comfy.supported_models_base
import comfy.utils
import torch
from torch import Tensor

from .models import AUTOENCODER, LATENT_CHANNELS, TEXT_ENCODER, TEXT_LENGTH, UNET
from .preview import LATENT_RGB, LATENT_RGB_BIAS
from .text import END, START, vocabulary
from .weights import TOKENIZER, WEIGHTS


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


def read_state(name: str) -> dict[str, Tensor]:
    """weights/<name>.safetensors in float32. Raises FileNotFoundError if it is missing."""
    path = WEIGHTS / f"{name}.safetensors"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: install the pack again, or train it with `python -m toybox.train all`."
        )
    state = comfy.utils.load_torch_file(str(path), safe_load=True)
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


def load_model(state: dict[str, Tensor]) -> Any:
    """The MODEL, a ModelPatcher, from the UNet's weights in diffusers' layout. Raises ValueError if weights are missing."""
    config = ToyboxConfig(unet_config())
    config.set_inference_dtype(torch.float32, None)
    names = comfy.utils.unet_to_diffusers(config.unet_config)
    renamed = {names[key]: value for key, value in state.items() if key in names}
    model = config.get_model(renamed, "", device=management.unet_offload_device())
    check_complete(model.diffusion_model, renamed, len(state))
    model.load_model_weights(renamed, "")
    return comfy.model_patcher.ModelPatcher(model, management.get_torch_device(), management.unet_offload_device())


def check_complete(network: torch.nn.Module, state: dict[str, Tensor], given: int) -> None:
    """Raises ValueError unless the state has every weight of the network and no other."""
    wanted = set(network.state_dict())
    if wanted != set(state) or given != len(state):
        raise ValueError(
            f"The toybox's weights do not fit its network: {len(wanted - set(state))} are missing, "
            f"{given - len(wanted & set(state))} are unknown. Install the pack again."
        )


class ToyboxTextEncoder(comfy.sd1_clip.SDClipModel):
    """CLIP's text encoder with the toybox's sizes and vocabulary."""

    def __init__(self, device: Any = "cpu", dtype: Any = None, model_options: dict[str, Any] | None = None) -> None:
        words = vocabulary()
        start, end = words[START], words[END]
        super().__init__(
            device=device,
            dtype=dtype,
            max_length=TEXT_LENGTH,
            textmodel_json_config={**TEXT_ENCODER, "eos_token_id": end},
            special_tokens={"start": start, "end": end, "pad": end},
            return_projected_pooled=False,
            model_options=model_options or {},
        )
        width = TEXT_ENCODER["hidden_size"]
        embedding = self.operations.Embedding(len(words), width, dtype=dtype, device=device)
        self.transformer.set_input_embeddings(embedding)


def load_clip(state: dict[str, Tensor]) -> Any:
    """The CLIP, from the text encoder's weights in transformers' layout."""
    one = partial(
        comfy.sd1_clip.SDTokenizer, str(TOKENIZER), max_length=TEXT_LENGTH, embedding_size=TEXT_ENCODER["hidden_size"]
    )
    target = comfy.supported_models_base.ClipTarget(
        partial(comfy.sd1_clip.SD1Tokenizer, tokenizer=one),
        partial(comfy.sd1_clip.SD1ClipModel, clip_model=ToyboxTextEncoder),
    )
    renamed = {key if key.startswith("text_model.") else f"text_model.{key}": value for key, value in state.items()}
    clip = comfy.sd.CLIP(
        target, parameters=sum(t.numel() for t in state.values()), model_options={"dtype": torch.float32}
    )
    clip.load_sd(renamed)
    return clip


def load_vae(state: dict[str, Tensor]) -> Any:
    """The VAE, from the autoencoder's weights in diffusers' layout."""
    widths = AUTOENCODER["block_out_channels"]
    layout = {
        "double_z": True,
        "z_channels": LATENT_CHANNELS,
        "resolution": AUTOENCODER["sample_size"],
        "in_channels": 3,
        "out_ch": 3,
        "ch": widths[0],
        "ch_mult": [width // widths[0] for width in widths],
        "num_res_blocks": AUTOENCODER["layers_per_block"],
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    config = {"params": {"ddconfig": layout, "embed_dim": LATENT_CHANNELS}}
    vae = comfy.sd.VAE(sd=state, config=config, dtype=torch.float32)
    vae.latent_channels = LATENT_CHANNELS
    return vae


def load_comfy() -> tuple[Any, Any, Any]:
    """The toybox as MODEL, CLIP and VAE. Raises FileNotFoundError without its weights."""
    return load_model(read_state("unet")), load_clip(read_state("text_encoder")), load_vae(read_state("vae"))
