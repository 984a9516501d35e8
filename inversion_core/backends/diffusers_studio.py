"""A diffusers-format model with all its parts: words to prompts, pictures to latents and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..attention.tokens import PromptTokens, words_of_pieces
from ..shapes import Latent, Picture, Sigmas
from .diffusers import DiffusersDenoiser, Prompt, levels_of


@dataclass(frozen=True)
class TextEncoder:
    """A tokenizer and its CLIP text model."""

    tokenizer: Any
    model: Any

    @property
    def length(self) -> int:
        """The tokens of a prompt, start, end and padding included."""
        return int(min(self.tokenizer.model_max_length, self.model.config.max_position_embeddings))

    def ids(self, text: str) -> Tensor:
        """Token ids [1, length]. Raises ValueError if the prompt does not fit: words are never dropped in silence."""
        used = len(self.tokenizer(text).input_ids)
        if used > self.length:
            raise ValueError(
                f"The prompt has {used} tokens and the text encoder reads {self.length}. Shorten it: '{text[:60]}...'."
            )
        padded = self.tokenizer(text, padding="max_length", max_length=self.length, return_tensors="pt")
        return padded.input_ids

    def hidden(self, text: str) -> tuple[Tensor, Tensor, Tensor | None]:
        """The last layer normalised, the last but one as it is, and the projected summary if the model has one."""
        out = self.model(self.ids(text).to(self.model.device), output_hidden_states=True)
        return out.last_hidden_state, out.hidden_states[-2], getattr(out, "text_embeds", None)


@dataclass(frozen=True)
class Studio:
    """A model and what surrounds it; `encoders` are one text encoder, or SDXL's two."""

    denoiser: DiffusersDenoiser
    vae: Any
    encoders: tuple[TextEncoder, ...]
    blank_is_zero: bool = False

    @property
    def table(self) -> Sigmas:
        """The levels that the network was trained on, increasing."""
        return self.denoiser.table

    @property
    def multiple(self) -> int:
        """What width and height of a picture must be multiples of."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def trained_size(self) -> int:
        """Width and height of the pictures that the network was trained on."""
        return int(self.denoiser.network.config.sample_size) * self.multiple

    @torch.no_grad()
    def encode_prompt(self, text: str) -> Prompt:
        """The prompt for the network. Raises ValueError if it has too many tokens."""
        hidden = [encoder.hidden(text) for encoder in self.encoders]
        if len(hidden) == 1:
            return Prompt(hidden[0][0])
        embedding, summary = torch.cat([h[1] for h in hidden], -1), hidden[-1][2]
        assert summary is not None
        if not text and self.blank_is_zero:
            embedding, summary = torch.zeros_like(embedding), torch.zeros_like(summary)
        size = float(self.trained_size)
        ids = torch.tensor([[size, size, 0, 0, size, size]])
        return Prompt(embedding, {"text_embeds": summary, "time_ids": ids.to(summary)})

    def prompt_tokens(self, text: str) -> PromptTokens:
        """The words of the prompt and their key columns."""
        return prompt_tokens(self.encoders[0], text)

    @torch.no_grad()
    def encode_picture(self, picture: Picture) -> Latent:
        """The clean latent: the mean of the autoencoder's posterior, shifted and scaled as the network knows it, in float32.

        Raises ValueError if width or height is no multiple of `multiple`.
        """
        height, width = picture.shape[-2:]
        if height % self.multiple or width % self.multiple:
            raise ValueError(f"This model takes pictures in multiples of {self.multiple}; got {width} x {height}.")
        mean = self.vae.encode((2 * picture - 1).to(self.vae.device, self.vae.dtype)).latent_dist.mean
        return ((mean - _shift(self.vae)) * self.vae.config.scaling_factor).float()

    @torch.no_grad()
    def decode(self, x0: Latent) -> Picture:
        """The picture of a clean latent, on the CPU, held to 0..1."""
        latent = x0.to(self.vae.device) / self.vae.config.scaling_factor + _shift(self.vae)
        return (self.vae.decode(latent.to(self.vae.dtype)).sample.float().cpu() / 2 + 0.5).clamp(0, 1)


def _shift(vae: Any) -> float:
    return float(vae.config.get("shift_factor") or 0)


def prompt_tokens(encoder: TextEncoder, text: str) -> PromptTokens:
    """The words of a prompt as an encoder's tokenizer splits it, start, end and padding left out."""
    ids = encoder.ids(text)[0].tolist()
    tokenizer = encoder.tokenizer
    end = ids.index(tokenizer.eos_token_id, 1)
    return words_of_pieces(dict(enumerate(tokenizer.convert_ids_to_tokens(ids[1:end]), start=1)), len(ids))


def studio(
    *, unet: Any, vae: Any, encoders: Sequence[tuple[Any, Any]], scheduler: Any, blank_is_zero: bool = False
) -> Studio:
    """A studio from diffusers' parts: `encoders` are pairs of tokenizer and text model, the levels are the scheduler's."""
    for module in (unet, vae, *(model for _, model in encoders)):
        module.eval()
    denoiser = DiffusersDenoiser(unet, levels_of(scheduler.alphas_cumprod), scheduler.config.prediction_type)
    return Studio(denoiser, vae, tuple(TextEncoder(t, m) for t, m in encoders), blank_is_zero)
