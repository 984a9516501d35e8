"""The tiny models: their sizes in one place, and builders in diffusers' and transformers' layouts."""

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


def build_text_encoder(vocabulary_size: int):
    """Return an untrained CLIPTextModel for a vocabulary whose last two tokens are start and end."""
    from transformers import CLIPTextConfig, CLIPTextModel

    special = {"bos_token_id": vocabulary_size - 2, "eos_token_id": vocabulary_size - 1}
    return CLIPTextModel(
        CLIPTextConfig(**TEXT_ENCODER, vocab_size=vocabulary_size, pad_token_id=vocabulary_size - 1, **special)
    )
