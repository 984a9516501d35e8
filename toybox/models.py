"""The tiny models: their sizes in one place, and builders in diffusers' and transformers' layouts."""

import itertools

import torch
from torch import Tensor, nn

from .world.scene import ATTRIBUTES

LATENT_CHANNELS = 16
TEXT_LENGTH = 32  # tokens of a prompt, start and end included

AUTOENCODER = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": LATENT_CHANNELS,
    "block_out_channels": (64, 64, 64, 128),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "norm_num_groups": 32,
    "mid_block_add_attention": True,
    "sample_size": 128,
    "scaling_factor": 1.0,
}


def build_autoencoder():
    """Return an untrained AutoencoderKL: 8x down, 16 latent channels, pictures in [-1, 1]."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(**AUTOENCODER)


UNET = {
    "sample_size": 16,
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "block_out_channels": (64, 128, 128),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3,
    "up_block_types": ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 1,
    "cross_attention_dim": 128,
    "attention_head_dim": 4,  # diffusers' name for the number of heads, at every level
    "norm_num_groups": 32,
}

TEXT_ENCODER = {
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "projection_dim": 128,
    "max_position_embeddings": TEXT_LENGTH,
    "hidden_act": "quick_gelu",
}

NOISE_SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}


def build_unet():
    """Return an untrained UNet2DConditionModel in SD1.x's layout; it predicts v of 16 x 16 latents."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(**UNET)


FLOW_DEPTH = 4  # ComfyUI sizes this layout by its depth: as many heads as blocks, 64 channels a head
FLOW = {
    "sample_size": 16,
    "patch_size": 2,
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "num_layers": FLOW_DEPTH,
    "num_attention_heads": FLOW_DEPTH,
    "attention_head_dim": 64,
    "joint_attention_dim": 128,
    "caption_projection_dim": 64 * FLOW_DEPTH,
    "pooled_projection_dim": 128,
    "pos_embed_max_size": 8,
    "qk_norm": "rms_norm",
}
FLOW_SHIFT = 1.0  # of the sigmas of a sampling: evenly spaced


def build_flow():
    """Return an untrained SD3Transformer2DModel; it predicts the velocity noise - x0 of 16 x 16 latents."""
    from diffusers import SD3Transformer2DModel

    return SD3Transformer2DModel(**FLOW)


def build_text_encoder(vocabulary_size: int):
    """Return an untrained CLIPTextModel for a vocabulary whose last two tokens are start and end."""
    from transformers import CLIPTextConfig, CLIPTextModel

    special = {"bos_token_id": vocabulary_size - 2, "eos_token_id": vocabulary_size - 1}
    return CLIPTextModel(
        CLIPTextConfig(**TEXT_ENCODER, vocab_size=vocabulary_size, pad_token_id=vocabulary_size - 1, **special)
    )


def signal_and_noise(t: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return alpha and sigma of x = alpha x0 + sigma noise (alpha^2 + sigma^2 = 1) at time steps, or at all 1000."""
    low, high = NOISE_SCHEDULE["beta_start"] ** 0.5, NOISE_SCHEDULE["beta_end"] ** 0.5
    betas = torch.linspace(low, high, NOISE_SCHEDULE["num_train_timesteps"], dtype=torch.float64) ** 2
    kept = (1 - betas).cumprod(0)
    kept = kept if t is None else kept[t]
    return kept.sqrt().float(), (1 - kept).sqrt().float()


class Judge(nn.Module):
    """A small convolutional network that reads the attributes off pictures."""

    def __init__(self):
        super().__init__()
        widths = (3, 32, 64, 96, 128)
        layers: list[nn.Module] = [nn.AvgPool2d(2)]
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 3, stride=2 if after > 32 else 1, padding=1),
                nn.GroupNorm(8, after),
                nn.SiLU(),
            ]
        self.features = nn.Sequential(*layers)
        self.squeeze = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(128, 96, 1), nn.SiLU(), nn.Flatten())
        self.mix = nn.Sequential(nn.Linear(96 * 16, 192), nn.SiLU())
        self.heads = nn.ModuleDict({name: nn.Linear(192, len(values)) for name, values in ATTRIBUTES.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the logits of each attribute's values, [n, values], for pictures [n, 3, 128, 128] in [0, 1]."""
        mixed = self.mix(self.squeeze(self.features(images * 2 - 1)))
        return {name: head(mixed) for name, head in self.heads.items()}
