"""ComfyUI models in miniature, with random weights, and a table of the model families that the pack must serve.

The table can be read anywhere; what builds a model needs ComfyUI in the process.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import interpolate

TEXT = 32
POOLED = 16
WAN_TEXT = 4096
"""The only width of a text that ComfyUI's loader takes for Wan."""
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
ONE_LEVEL = {"channel_mult": [1], "num_res_blocks": [1], "transformer_depth": [1], "transformer_depth_output": [1, 1]}
SD2 = UNET | ONE_LEVEL | {"num_heads": -1, "num_head_channels": 16, "use_linear_in_transformer": True}
SIZES = 6 * 256
"""SDXL's six numbers of the picture's size, as ComfyUI embeds them."""
SDXL = SD2 | {"num_classes": "sequential", "adm_in_channels": POOLED + SIZES}
SD3 = {
    "in_channels": 16,
    "patch_size": 2,
    "out_channels": 16,
    "depth": 2,
    "input_size": None,
    "adm_in_channels": POOLED,
    "num_patches": 36,
    "pos_embed_max_size": 6,
    "qk_norm": "rms",
    "context_embedder_config": {"target": "torch.nn.Linear", "params": {"in_features": TEXT, "out_features": 128}},
    "pos_embed_scaling_factor": None,
    "dtype": torch.float32,
}
FLUX = {
    "image_model": "flux",
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": 2,
    "vec_in_dim": POOLED,
    "context_in_dim": TEXT,
    "hidden_size": 64,
    "mlp_ratio": 2.0,
    "num_heads": 2,
    "depth": 1,
    "depth_single_blocks": 1,
    "axes_dim": [8, 12, 12],
    "theta": 10000,
    "qkv_bias": True,
    "guidance_embed": True,
}
HUNYUAN = FLUX | {
    "image_model": "hunyuan_video",
    "patch_size": [1, 2, 2],
    "theta": 256,
    "byt5": False,
    "meanflow": False,
}
QWEN = {
    "image_model": "qwen_image",
    "in_channels": 64,
    "out_channels": 16,
    "num_layers": 2,
    "num_attention_heads": 2,
    "attention_head_dim": 32,
    "joint_attention_dim": TEXT,
    "axes_dims_rope": (8, 12, 12),
}
WAN = {
    "image_model": "wan2.1",
    "model_type": "t2v",
    "dim": 64,
    "ffn_dim": 64,
    "num_heads": 2,
    "num_layers": 2,
    "in_dim": 16,
    "out_dim": 16,
    "freq_dim": 32,
    "text_dim": TEXT,
}
NEWER = {"txt_ids_dims": [], "use_cond_type_embedding": False, "vision_in_dim": None, "meanflow_sum": False}
"""What later versions of ComfyUI want to be told of Flux and HunyuanVideo."""

LAST = ("out.2.weight", "final_layer.linear.weight", "proj_out.weight", "head.head.weight")
"""The last layer of each kind of network."""


def fill(network: torch.nn.Module, seed: int) -> None:
    """Every weight: ComfyUI leaves them as memory has them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in network.state_dict().items():  # the position embedding of SD3 is a buffer
            if p.ndim > 1:
                p.copy_(torch.randn(p.shape, generator=generator) * p[0].numel() ** -0.5)
            else:
                p.fill_(float(name.endswith(("weight", "scale"))))


def model_of(config: Any, seed: int) -> Any:
    """A ModelPatcher around a new model of this configuration."""
    import comfy.model_management as management
    import comfy.model_patcher

    config.set_inference_dtype(torch.float32, None)
    model = config.get_model({}, "", device=torch.device("cpu"))
    fill(model.diffusion_model, seed)
    return comfy.model_patcher.ModelPatcher(model, management.get_torch_device(), management.unet_offload_device())


def tiny_unet(base: str, settings: dict[str, Any], seed: int, kind: str = "EPS") -> Any:
    """A UNet of the supported model `base`, at sizes of its own."""
    import comfy.supported_models
    from comfy.model_base import ModelType

    def model_type(self: Any, state_dict: Any, prefix: str = "") -> Any:
        return ModelType[kind]

    parent = getattr(comfy.supported_models, base)
    config = type("Tiny" + base, (parent,), {"unet_extra_config": {}, "model_type": model_type})
    return model_of(config(settings), seed)


def tiny_sd15(seed: int = 0, kind: str = "EPS") -> Any:
    return tiny_unet("SD15", UNET, seed, kind)


def tiny_sd2(seed: int = 0) -> Any:
    return tiny_unet("SD20", SD2, seed, "V_PREDICTION")


def tiny_zsnr(seed: int = 0) -> Any:
    """v-prediction whose last level is all but pure noise, as the node ModelSamplingDiscrete makes it."""
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    return ModelSamplingDiscrete().patch(tiny_sd2(seed), "v_prediction", True)[0]


def tiny_sdxl(seed: int = 0) -> Any:
    return tiny_unet("SDXL", SDXL, seed)


def tiny_sd3(seed: int = 0) -> Any:
    import comfy.supported_models

    return model_of(comfy.supported_models.SD3(SD3), seed)


def tiny_flux(seed: int = 0, settings: dict[str, Any] = FLUX) -> Any:
    import comfy.supported_models
    from comfy.ldm.flux.model import FluxParams

    return model_of(comfy.supported_models.Flux(settings | wanted(FluxParams)), seed)


def tiny_hunyuan(seed: int = 0) -> Any:
    import comfy.supported_models
    from comfy.ldm.hunyuan_video.model import HunyuanVideoParams

    return model_of(comfy.supported_models.HunyuanVideo(HUNYUAN | wanted(HunyuanVideoParams)), seed)


def tiny_qwen(seed: int = 0) -> Any:
    import comfy.supported_models

    return model_of(comfy.supported_models.QwenImage(QWEN), seed)


def tiny_wan(seed: int = 0) -> Any:
    import comfy.supported_models

    return model_of(comfy.supported_models.WAN21_T2V(WAN), seed)


def tiny_wan_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """The file of a Wan that ComfyUI's own loader reads."""
    import comfy.ops
    from comfy.ldm.wan.model import WanModel

    sizes = WAN | {"dim": 128, "num_heads": 1, "num_layers": 1, "freq_dim": 256, "text_dim": WAN_TEXT}
    network = WanModel(**sizes, dtype=torch.float32, device="cpu", operations=comfy.ops.disable_weight_init)
    fill(network, seed)
    calm(network)
    return network.state_dict()


def tiny_wan_fp8(seed: int = 0) -> Any:
    """Wan as it is published for small memories, fp8 with a scale for each matrix."""
    import comfy.sd

    weights = {"scaled_fp8": torch.zeros(0, dtype=torch.float8_e4m3fn)}
    for name, weight in tiny_wan_weights(seed).items():
        weights[name] = weight
        if name.endswith(".weight") and weight.ndim == 2:
            scale = weight.abs().max() / torch.finfo(torch.float8_e4m3fn).max
            weights[name] = (weight / scale).to(torch.float8_e4m3fn)
            weights[name.removesuffix("weight") + "scale_weight"] = scale
    return comfy.sd.load_diffusion_model_state_dict(weights)


def wanted(params: Any) -> dict[str, Any]:
    return {name: value for name, value in NEWER.items() if name in params.__dataclass_fields__}


def calm(network: torch.nn.Module, gain: float = 0.05) -> None:
    """Weakens the last layer: the network's slope is then that of a trained one, so that short grids have fixed points."""
    with torch.no_grad():
        for name, weight in network.state_dict().items():
            if name in LAST:
                weight.mul_(gain)


def with_lora(model: Any, seed: int = 7, strength: float = 0.5) -> Any:
    """The model with a random LoRA on its attention, read as ComfyUI reads one from a file."""
    import comfy.sd

    generator, lora = torch.Generator().manual_seed(seed), {}
    for name, weight in model.model.state_dict().items():
        if name.endswith(".weight") and weight.ndim == 2 and "attn" in name:
            sides = {"lora_up": (weight.shape[0], 2), "lora_down": (2, weight.shape[1])}
            for side, shape in sides.items():
                matrix = torch.randn(shape, generator=generator) * weight.shape[1] ** -0.25
                lora[f"{name.removesuffix('.weight')}.{side}.weight"] = matrix
    return comfy.sd.load_lora_for_models(model, None, lora, strength, 0)[0]


def conditioning(
    seed: int, *, tokens: int = 77, width: int = TEXT, pooled: bool = False, more: dict[str, Any] | None = None
) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    extra = {"pooled_output": torch.randn(1, POOLED, generator=generator)} if pooled else {}
    return [[torch.randn(1, tokens, width, generator=generator), extra | (more or {})]]


def latent(seed: int = 0, channels: int = 4, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, channels, 8, 12, generator=torch.Generator().manual_seed(seed))


def stock_prediction(
    model: Any,
    cond: list[Any],
    uncond: list[Any],
    guidance: float,
    noisy: Callable[[torch.Tensor], torch.Tensor],
    sigma: torch.Tensor,
) -> torch.Tensor:
    """What ComfyUI's own guider predicts for `latent()`, brought to the model's scale and made noisy."""
    import comfy.samplers

    answers = []

    class Ask(comfy.samplers.Sampler):
        def sample(
            self, guider: Any, sigmas: Any, extra: Any, callback: Any, noise: Any, latent_image: Any, *more: Any
        ) -> Any:
            answers.append(guider(noisy(latent_image), sigma.float().expand(len(latent_image)), **extra))
            return latent_image

    stock = comfy.samplers.CFGGuider(model)
    stock.set_conds(cond, uncond)
    stock.set_cfg(guidance)
    stock.sample(torch.zeros_like(latent()), latent(), Ask(), torch.tensor([1.0, 0.0]), seed=0)
    return answers[0]


@dataclass(frozen=True, eq=False)
class Family:
    """A kind of model: how it is built, the shape and spread of its latents as its VAE gives them, and what it can do."""

    name: str
    build: Callable[[], Any]
    shape: tuple[int, ...]
    path: str
    scheduler: str = "simple"
    spread: float = 1.0
    unet: bool = False
    distilled: bool = False
    pooled: bool = False
    text: int = TEXT
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def video(self) -> bool:
        return len(self.shape) == 5

    def model(self) -> Any:
        """A model whose inversion has fixed points."""
        model = self.build()
        calm(model.model.diffusion_model)
        return model

    def conditioning(self, seed: int) -> list[Any]:
        tokens = 77 if self.unet else 6
        return conditioning(seed, tokens=tokens, width=self.text, pooled=self.pooled, more=self.extra)

    def latent(self, seed: int = 0) -> dict[str, Any]:
        return {"samples": self.spread * torch.randn(self.shape, generator=torch.Generator().manual_seed(seed))}


class StubVae:
    """A VAE of any latent format as far as shapes go: 8 x smaller, and for videos every fourth frame after the first."""

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        small = interpolate(pixels.movedim(-1, 1), scale_factor=1 / 8, mode="area")
        return small.repeat(1, 6, 1, 1)[:, :16][::4].movedim(0, 1)[None]

    def decode(self, samples: torch.Tensor) -> torch.Tensor:
        frames = samples.movedim(2, 1) if samples.ndim == 5 else samples[:, None]
        index = [0, *(1 + n // 4 for n in range(4 * (frames.shape[1] - 1)))]
        large = interpolate(frames[:, index, :3].flatten(0, 1), scale_factor=8).sigmoid().movedim(1, -1)
        return large.unflatten(0, (len(frames), -1)) if samples.ndim == 5 else large


VE = {"path": "ve", "scheduler": "ddim_uniform", "spread": 5.5, "unet": True}
SIZE = {"width": 96, "height": 64, "crop_w": 8, "crop_h": 0, "target_width": 96, "target_height": 64}
TABLE = (
    Family("sd15", tiny_sd15, (1, 4, 8, 12), **VE),
    Family("sd2", tiny_sd2, (1, 4, 8, 12), **VE),
    Family("zsnr", tiny_zsnr, (1, 4, 8, 12), **VE),
    Family("sdxl", tiny_sdxl, (1, 4, 8, 12), pooled=True, extra=SIZE, **VE),
    Family("sd3", tiny_sd3, (2, 16, 8, 12), "rf", pooled=True),
    Family("flux", tiny_flux, (2, 16, 8, 12), "rf", pooled=True, distilled=True, extra={"guidance": 3.5}),
    Family("qwen", tiny_qwen, (2, 16, 1, 8, 12), "rf"),
    Family("wan", tiny_wan, (1, 16, 3, 8, 12), "rf"),
    Family("hunyuan", tiny_hunyuan, (1, 16, 3, 8, 12), "rf", pooled=True, distilled=True, extra={"guidance": 6.0}),
)
FAMILIES = {family.name: family for family in TABLE}
WAN_FP8 = Family("wan fp8", tiny_wan_fp8, (1, 16, 2, 8, 8), "rf", text=WAN_TEXT)
