"""SD3, Flux, Qwen-Image and Wan in miniature, with random weights: the layout of the real ones, in a second."""

import json
from pathlib import Path
from typing import Any

from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxTransformer2DModel,
    QwenImageTransformer2DModel,
    SD3Transformer2DModel,
    WanTransformer3DModel,
)
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from .tiny_diffusion import WORDS, seeded, text_model, tokenizer

TEXT, POOLED = 80, 48


def tiny_sd3(*, seed: int = 0, **options: Any) -> SD3Transformer2DModel:
    """Two blocks, the first with a second self-attention as in SD3.5, the last without text as in all."""
    config = {
        "sample_size": 16,
        "patch_size": 2,
        "in_channels": 4,
        "out_channels": 4,
        "num_layers": 2,
        "attention_head_dim": 8,
        "num_attention_heads": 4,
        "joint_attention_dim": TEXT,
        "caption_projection_dim": 32,
        "pooled_projection_dim": POOLED,
        "pos_embed_max_size": 16,
        "dual_attention_layers": (0,),
        "qk_norm": "rms_norm",
    }
    return seeded(lambda: SD3Transformer2DModel(**config | options), seed).eval()


def tiny_flux(*, seed: int = 0, guidance_embeds: bool = True, **options: Any) -> FluxTransformer2DModel:
    """A double and a single block, with distilled guidance unless asked otherwise."""
    config = {
        "in_channels": 16,
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": TEXT,
        "pooled_projection_dim": 32,
        "axes_dims_rope": (4, 6, 6),
        "guidance_embeds": guidance_embeds,
    }
    return seeded(lambda: FluxTransformer2DModel(**config | options), seed).eval()


def tiny_qwen(*, seed: int = 0, **options: Any) -> QwenImageTransformer2DModel:
    config = {
        "in_channels": 16,
        "out_channels": 4,
        "num_layers": 2,
        "attention_head_dim": 12,
        "num_attention_heads": 2,
        "joint_attention_dim": TEXT,
        "axes_dims_rope": (4, 4, 4),
    }
    return seeded(lambda: QwenImageTransformer2DModel(**config | options), seed).eval()


def tiny_wan(*, seed: int = 0, **options: Any) -> WanTransformer3DModel:
    config = {
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": 4,
        "out_channels": 4,
        "text_dim": TEXT,
        "freq_dim": 32,
        "ffn_dim": 32,
        "num_layers": 2,
    }
    return seeded(lambda: WanTransformer3DModel(**config | options), seed).eval()


def t5_tokenizer() -> PreTrainedTokenizerFast:
    """SentencePiece's kind, with letters and a few whole words."""
    whole = ["▁", *(f"▁{word}" for word in WORDS)]
    scores = {"<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0, **dict.fromkeys(whole, -2.0)}
    letters = {chr(c): -5.0 for c in range(33, 127)}
    inner = Tokenizer(models.Unigram(list((scores | letters).items()), unk_id=2))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=512, **special)


def t5_model(words: PreTrainedTokenizerFast, *, seed: int = 4) -> T5EncoderModel:
    config = T5Config(vocab_size=len(words), d_model=TEXT, d_kv=8, d_ff=64, num_layers=2, num_heads=2)
    return seeded(lambda: T5EncoderModel(config), seed).eval()


def autoencoder(*, seed: int = 2) -> AutoencoderKL:
    """As SD3's and Flux's: with a shift, without the convolutions around the latent."""
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    scales = {"shift_factor": 0.06, "scaling_factor": 1.5, "use_quant_conv": False, "use_post_quant_conv": False}
    return seeded(lambda: AutoencoderKL(block_out_channels=(8, 8), norm_num_groups=4, **blocks, **scales), seed).eval()


def sd3_parts(folder: Path) -> dict[str, Any]:
    """The parts of a StableDiffusion3Pipeline."""
    words, long_words = tokenizer(folder / "words"), t5_tokenizer()
    return {
        "transformer": tiny_sd3(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
        "vae": autoencoder(),
        "tokenizer": words,
        "text_encoder": text_model(words, projected=True),
        "tokenizer_2": words,
        "text_encoder_2": text_model(words, seed=3, projected=True),
        "tokenizer_3": long_words,
        "text_encoder_3": t5_model(long_words),
    }


def flux_parts(folder: Path, **options: Any) -> dict[str, Any]:
    """The parts of a FluxPipeline."""
    words, long_words = tokenizer(folder / "words"), t5_tokenizer()
    return {
        "transformer": tiny_flux(**options),
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        "vae": autoencoder(),
        "tokenizer": words,
        "text_encoder": text_model(words),
        "tokenizer_2": long_words,
        "text_encoder_2": t5_model(long_words),
    }


def write_pipeline(folder: Path, kind: str, parts: dict[str, Any]) -> Path:
    """A diffusers-format folder; parts that are None are left out, as diffusers writes that."""
    index = {}
    for name, part in parts.items():
        index[name] = [None, None] if part is None else [type(part).__module__.split(".")[0], type(part).__name__]
        if part is not None:
            part.save_pretrained(str(folder / name))
    (folder / "model_index.json").write_text(json.dumps({"_class_name": kind, **index}))
    return folder
