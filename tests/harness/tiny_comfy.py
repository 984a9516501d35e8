"""ComfyUI models in miniature, with random weights: import only where ComfyUI is in the process."""

from typing import Any

import comfy.model_management as management
import comfy.model_patcher
import comfy.supported_models as models
import torch

TEXT = 32
UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "channel_mult": [1, 2],
    "num_res_blocks": [1, 1],
    "num_heads": 4,
    "context_dim": TEXT,
    "transformer_depth": [1, 1],
    "transformer_depth_output": [1, 1, 1, 1],
    "transformer_depth_middle": 1,
    "use_spatial_transformer": True,
    "use_linear_in_transformer": False,
    "legacy": False,
    "dtype": torch.float32,
}
SD3 = {
    "in_channels": 16,
    "patch_size": 2,
    "out_channels": 16,
    "depth": 2,
    "input_size": None,
    "adm_in_channels": 16,
    "num_patches": 36,
    "pos_embed_max_size": 6,
    "qk_norm": "rms",
    "context_embedder_config": {"target": "torch.nn.Linear", "params": {"in_features": TEXT, "out_features": 128}},
    "pos_embed_scaling_factor": None,
    "dtype": torch.float32,
}


def fill(network: torch.nn.Module, seed: int) -> None:
    """Every weight: ComfyUI leaves them as memory has them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in network.state_dict().items():  # the position embedding of SD3 is a buffer
            if p.ndim > 1:
                p.copy_(torch.randn(p.shape, generator=generator) * p[0].numel() ** -0.5)
            else:
                p.fill_(float(name.endswith("weight")))


def model_of(config: Any, seed: int) -> comfy.model_patcher.ModelPatcher:
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model({}, "", device=torch.device("cpu"))
    fill(model.diffusion_model, seed)
    return comfy.model_patcher.ModelPatcher(model, management.get_torch_device(), management.unet_offload_device())


def tiny_sd15(seed: int = 0, kind: str = "EPS") -> comfy.model_patcher.ModelPatcher:
    from comfy.model_base import ModelType

    class Config(models.SD15):
        unet_extra_config = {}  # noqa: RUF012

        def model_type(self, state_dict: Any, prefix: str = "") -> Any:
            return ModelType[kind]

    return model_of(Config(UNET), seed)


def tiny_sd3(seed: int = 0) -> comfy.model_patcher.ModelPatcher:
    return model_of(models.SD3(SD3), seed)


def conditioning(seed: int, *, tokens: int = 77, pooled: bool = False) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    extra = {"pooled_output": torch.randn(1, 16, generator=generator)} if pooled else {}
    return [[torch.randn(1, tokens, TEXT, generator=generator), extra]]


def latent(seed: int = 0, channels: int = 4, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, channels, 8, 12, generator=torch.Generator().manual_seed(seed))
