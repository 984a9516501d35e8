"""Stable Diffusion 1 and XL in miniature, with random weights: the layout of the real ones, in a second."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

WORDS = ("a", "cat", "dog", "photo", "of", "the", "red", "hat")
SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": True,
    "steps_offset": 1,
}


def seeded(build, seed: int = 0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def tiny_unet(*, seed: int = 0, text: int = 32, **options) -> UNet2DConditionModel:
    """Cross-attention at the first two of three levels, linear or convolutional projections as in SD 2 or 1."""
    config = {
        "sample_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (16, 32, 32),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": text,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
    }
    return seeded(lambda: UNet2DConditionModel(**config | options), seed).eval()


def scheduler(**options) -> DDIMScheduler:
    return DDIMScheduler(**SCHEDULE | options)


def tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's, with letters and a few whole words; others come out as several pieces."""
    letters = [chr(c) for c in range(33, 127)]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            if (parts[0], parts[1]) not in merges:
                merges.append((parts[0], parts[1]))
            parts[:2] = ["".join(parts[:2])]
    tokens = [*letters, *(c + "</w>" for c in letters), *dict.fromkeys("".join(m) for m in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *(" ".join(m) for m in merges)]) + "\n")
    return CLIPTokenizer.from_pretrained(str(folder), model_max_length=77)


def text_model(words: CLIPTokenizer, *, seed: int = 1, projected: bool = False):
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=24,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.eos_token_id,
    )
    return seeded(lambda: (CLIPTextModelWithProjection if projected else CLIPTextModel)(config), seed).eval()


def autoencoder(*, seed: int = 2) -> AutoencoderKL:
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    return seeded(lambda: AutoencoderKL(block_out_channels=(8, 8), norm_num_groups=4, **blocks), seed).eval()


def write_pipeline(folder: Path, *, xl: bool = False, prediction: str = "epsilon") -> Path:
    """A diffusers-format folder of a tiny pipeline."""
    words = tokenizer(folder / "words")
    parts = {"vae": autoencoder(), "scheduler": scheduler(prediction_type=prediction)}
    parts |= {"tokenizer": words, "text_encoder": text_model(words)}
    unet = {}
    if xl:
        parts |= {"tokenizer_2": words, "text_encoder_2": text_model(words, seed=3, projected=True)}
        unet = {"text": 64, "addition_embed_type": "text_time", "addition_time_embed_dim": 8}
        unet["projection_class_embeddings_input_dim"] = 24 + 6 * 8
    parts["unet"] = tiny_unet(**unet)
    for name, part in parts.items():
        part.save_pretrained(str(folder / name))
    index = {name: [type(part).__module__.split(".")[0], type(part).__name__] for name, part in parts.items()}
    kind = "StableDiffusionXLPipeline" if xl else "StableDiffusionPipeline"
    (folder / "model_index.json").write_text(
        json.dumps({"_class_name": kind, "force_zeros_for_empty_prompt": True, **index})
    )
    return folder
