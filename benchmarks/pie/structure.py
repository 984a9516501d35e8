"""Structure distance (arXiv:2202.00512, eq. 4): self-similarity of DINO's keys, from local weights."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.pictures.errors import UserError

from .weights import read_weights

BLOCK, SIDE, HEAD, NORM_EPSILON = 11, 224, 64, 1e-6
"""The published block and picture size; the channels of DINO's heads and its layer norm's epsilon (arXiv:2104.14294, code)."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PUBLISHED_SCALE, CORRECT_SCALE = 255.0, 1.0
"""What a picture in 0..1 is multiplied by before ImageNet's normalisation: the published code leaves it in 0..255."""
NAMES = (
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^cls_token$", "embeddings.cls_token"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^norm\.", "layernorm."),
    (r"^blocks\.(\d+)\.norm1\.", r"encoder.layer.\1.layernorm_before."),
    (r"^blocks\.(\d+)\.norm2\.", r"encoder.layer.\1.layernorm_after."),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layer.\1.attention.output.dense."),
    (r"^blocks\.(\d+)\.mlp\.fc1\.", r"encoder.layer.\1.intermediate.dense."),
    (r"^blocks\.(\d+)\.mlp\.fc2\.", r"encoder.layer.\1.output.dense."),
)
"""The names of facebookresearch/dino, and those of transformers' files; `attn.qkv` is three layers there."""

Similarity = Float[Tensor, "tokens tokens"]


@dataclass(frozen=True)
class Structure:
    """DINO's view of a picture; the structure distance is the mean squared difference of two."""

    network: Any

    @torch.no_grad()
    def __call__(self, picture: Picture, scale: float) -> Similarity:
        """The cosine similarity of all pairs of keys of block 11, heads concatenated, class token first."""
        device = self.network.device
        shown = interpolate(scale * picture.to(device), (SIDE, SIDE), mode="bilinear", align_corners=False)
        mean, std = (shown.new_tensor(values)[:, None, None] for values in (MEAN, STD))
        found: list[Tensor] = []
        hook = _key_layers(self.network)[BLOCK].register_forward_hook(lambda *call: found.append(call[2]))
        try:
            self.network(pixel_values=(shown - mean) / std, interpolate_pos_encoding=True)
        finally:
            hook.remove()
        keys = normalize(found[0][0], dim=-1)
        return (keys @ keys.T).cpu()


def distance(ours: Similarity, theirs: Similarity) -> float:
    """The mean squared difference of two self-similarities."""
    return float((ours - theirs).square().mean())


def load_structure(path: Path, device: torch.device) -> tuple[Structure, str]:
    """DINO from a file of facebookresearch/dino's weights or a folder of transformers' ViTModel, and what to call it.

    Raises UserError if it is neither.
    """
    from transformers import ViTConfig, ViTModel

    try:
        if path.is_dir():
            config = ViTConfig.from_pretrained(str(path), local_files_only=True, trust_remote_code=False)
            config.layer_norm_eps = NORM_EPSILON
            options: dict[str, Any] = {"config": config, "local_files_only": True, "trust_remote_code": False}
            vit, told = ViTModel.from_pretrained(
                str(path), add_pooling_layer=False, output_loading_info=True, **options
            )
        else:
            weights = read_weights(path)
            options = {"config": ViTConfig(**sizes(weights)), "state_dict": renamed(weights)}
            vit, told = ViTModel.from_pretrained(None, add_pooling_layer=False, output_loading_info=True, **options)
    except (KeyError, OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{path} holds no DINO ViT: {str(error).splitlines()[0]}") from error
    if told["missing_keys"] or len(_key_layers(vit)) <= BLOCK:
        raise UserError(f"{path} holds no DINO ViT of {BLOCK + 1} blocks; missing: {sorted(told['missing_keys'])[:3]}.")
    width, patch = vit.config.hidden_size, vit.config.patch_size
    known = "the published network" if (width, patch) == (768, 8) else "not the published network"
    return Structure(vit.eval().to(device)), f"DINO ViT of width {width}, patches of {patch}: {known}"


def sizes(weights: dict[str, Tensor]) -> dict[str, Any]:
    """ViTConfig's options for weights of facebookresearch/dino."""
    tokens, width = weights["pos_embed"].shape[-2:]
    patch = weights["patch_embed.proj.weight"].shape[-1]
    return {
        "hidden_size": width,
        "num_hidden_layers": sum(name.endswith("attn.qkv.weight") for name in weights),
        "num_attention_heads": width // HEAD,
        "intermediate_size": weights["blocks.0.mlp.fc1.weight"].shape[0],
        "patch_size": patch,
        "image_size": patch * round((tokens - 1) ** 0.5),
        "layer_norm_eps": NORM_EPSILON,
    }


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of facebookresearch/dino under the names of transformers' files."""
    found = {}
    for name, value in weights.items():
        joined = re.match(r"^blocks\.(\d+)\.attn\.qkv\.(\w+)$", name)
        if joined:
            for part, piece in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[f"encoder.layer.{joined[1]}.attention.attention.{part}.{joined[2]}"] = piece.contiguous()
            continue
        for pattern, new in NAMES:
            name = re.sub(pattern, new, name)
        found[name] = value
    return found


def _key_layers(vit: Any) -> list[Any]:
    """The layers that make the keys, block by block; their name depends on transformers' version."""
    return [layer for name, layer in vit.named_modules() if name.rsplit(".", 1)[-1] in ("key", "k_proj")]
