"""Loads the toybox's models as ComfyUI's own MODEL, CLIP and VAE; nothing is added to ComfyUI's global lists."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeAlias

import comfy.sd
import comfy.sd1_clip
import comfy.supported_models_base
import torch
from torch import Tensor

from ..limits import NODES, about_image, about_words
from ..models import AUTOENCODER, LATENT_CHANNELS, TEXT_ENCODER, TEXT_LENGTH
from ..text import END, START, vocabulary
from ..weights import TOKENIZER, read_state
from .comfy_models import load_flow, load_unet

Tell: TypeAlias = Callable[[str], object]


class ToyboxTokenizer(comfy.sd1_clip.SD1Tokenizer):
    """CLIP's tokenizer with the toybox's vocabulary, which `tell`s of words that are in no scene; it reads them as letters."""

    def __init__(self, *, tell: Tell = logging.warning, **options: Any) -> None:
        sizes = {"max_length": TEXT_LENGTH, "embedding_size": TEXT_ENCODER["hidden_size"]}
        super().__init__(**options, tokenizer=partial(comfy.sd1_clip.SDTokenizer, str(TOKENIZER), **sizes))
        self.tell = tell

    def about_words(self, text: str) -> str:
        """The sentence about words of a text, without their weights, that the toybox does not know; empty if it knows all."""
        escaped = comfy.sd1_clip.escape_important(text)
        return about_words(" ".join(part for part, _ in comfy.sd1_clip.token_weights(escaped, 1.0)), NODES)

    def tokenize_with_weights(self, text: str, *args: Any, **options: Any) -> Any:
        if said := self.about_words(text):
            self.tell(said)
        return super().tokenize_with_weights(text, *args, **options)


class ToyboxVAE(comfy.sd.VAE):
    """A VAE that `tell`s of an image from outside the toybox's world, or of another size, which it encodes all the same."""

    tell: Tell = staticmethod(logging.warning)

    def about_image(self, pixels: Tensor) -> str:
        """The sentence about the first of images `[batch, height, width, channels]`; empty if it is of the toybox's world and size."""

        def recoded(picture: Tensor) -> Tensor:
            return self.decode(super(ToyboxVAE, self).encode(picture.movedim(1, -1))).movedim(-1, 1)

        return about_image(pixels[:1, ..., :3].movedim(-1, 1).float(), recoded, NODES)

    def encode(self, pixel_samples: Tensor, *args: Any, **options: Any) -> Tensor:
        if said := self.about_image(pixel_samples):
            self.tell(said)
        return super().encode(pixel_samples, *args, **options)


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


def load_clip(state: dict[str, Tensor], tell: Tell = logging.warning) -> Any:
    """The CLIP, from the text encoder's weights in transformers' layout; `tell` hears of words that it does not know."""
    target = comfy.supported_models_base.ClipTarget(
        partial(ToyboxTokenizer, tell=tell),
        partial(comfy.sd1_clip.SD1ClipModel, clip_model=ToyboxTextEncoder),
    )
    renamed = {key if key.startswith("text_model.") else f"text_model.{key}": value for key, value in state.items()}
    renamed["text_projection.weight"] = torch.eye(TEXT_ENCODER["hidden_size"])  # not asked for, and else left unset
    clip = comfy.sd.CLIP(
        target, parameters=sum(t.numel() for t in state.values()), model_options={"dtype": torch.float32}
    )
    clip.load_sd(renamed)
    return clip


def load_vae(state: dict[str, Tensor], tell: Tell = logging.warning) -> Any:
    """The VAE, from the autoencoder's weights in diffusers' layout; `tell` hears of images that are none of its world."""
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
    vae = ToyboxVAE(sd=state, config=config, dtype=torch.float32)
    vae.latent_channels, vae.tell = LATENT_CHANNELS, tell
    return vae


DENOISERS: dict[str, tuple[str, Callable[[dict[str, Tensor]], Any]]] = {
    "unet": ("unet", load_unet),
    "flow": ("transformer", load_flow),
}


def load_comfy(family: Literal["unet", "flow"] = "unet", tell: Tell = logging.warning) -> tuple[Any, Any, Any]:
    """The toybox as MODEL, CLIP and VAE, with the denoiser of a family; `tell` hears of words and images from outside its world.

    Raises:
        FileNotFoundError: weights are missing.
        KeyError: there is no such family.
    """
    name, load = DENOISERS[family]
    return load(read_state(name)), load_clip(read_state("text_encoder"), tell), load_vae(read_state("vae"), tell)
