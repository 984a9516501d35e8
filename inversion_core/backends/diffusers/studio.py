"""A diffusers-format model with all its parts: words to prompts, pictures to latents and back."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from ...prompts.tokens import PromptTokens
from ...schedules import flow_match_euler, flow_shift, leading, resolution_mu
from ...shapes import Latent, Picture, Sigmas
from ...types import Cond
from .denoiser import DiffusersDenoiser, levels_of
from .flow import FlowDenoiser
from .network import NetworkDenoiser, Prompt
from .text import TextEncoder, Words, plain_words, sdxl_words

Grid = Callable[[int, int], Sigmas]
"""The levels for a number of steps and of image tokens."""


@dataclass(frozen=True)
class Studio:
    """A model and what surrounds it.

    `words` makes prompts and `tokens` tells their words apart; `side` is that of the latents which the network learnt
    from, `patch` that of a token in them, `guidance` and `steps` the model's usual ones, `schedulers` other levels by name.
    """

    denoiser: NetworkDenoiser
    vae: Any
    words: Words
    tokens: Callable[[str], PromptTokens]
    levels: Grid
    side: int
    patch: int = 1
    guidance: float = 7.5
    schedulers: Mapping[str, Grid] = field(default_factory=dict)
    steps: int = 50

    @property
    def multiple(self) -> int:
        """What width and height of a picture must be multiples of."""
        return self.patch * 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def trained_size(self) -> int:
        """Width and height of the pictures that the network was trained on."""
        return self.side * self.multiple // self.patch

    def grid(self, steps: int, x0: Latent | None = None) -> Sigmas:
        """The model's own levels for so many steps on a latent of `x0`'s size, or of the size that it was trained on."""
        height, width = (self.side, self.side) if x0 is None else x0.shape[-2:]
        return self.levels(steps, height * width // self.patch**2)

    @torch.no_grad()
    def encode_prompt(self, text: str) -> Prompt:
        """The prompt for the network, at guidance 1 if that is distilled. Raises ValueError if it has too many tokens."""
        return _at(self.words(text), 1.0) if self.denoiser.distilled else self.words(text)

    def cond(self, text: str, guidance: float = 1.0, negative: str = "") -> Cond:
        """The prompt under guidance away from `negative`; where guidance is distilled, as the network's own input.

        Raises ValueError if a prompt has too many tokens, or if there is a `negative` and guidance is distilled.
        """
        prompt = self.encode_prompt(text)
        if self.denoiser.distilled and negative:
            raise ValueError(
                f"Guidance was distilled into this model, so it cannot lead away from '{negative}'. Leave it out."
            )
        if self.denoiser.distilled:
            return Cond(_at(prompt, guidance))
        return Cond(prompt, self.encode_prompt(negative), guidance)

    def prompt_tokens(self, text: str) -> PromptTokens:
        """The words of the prompt and their key columns."""
        return self.tokens(text)

    @torch.no_grad()
    def encode_picture(self, picture: Picture) -> Latent:
        """The clean latent: the mean of the autoencoder's posterior, shifted and scaled as the network knows it, in float32.

        Raises ValueError if width or height is no multiple of `multiple`, or more than the network knows places for.
        """
        height, width = picture.shape[-2:]
        if self.denoiser.most is not None and max(height, width) > (most := self.denoiser.most * self.multiple):
            raise ValueError(
                f"This model takes images of at most {most} x {most}, but this image, padded to multiples of {self.multiple}, is "
                f"{width} x {height}. Scale the image down: on the command line with --resize {most}."
            )
        if height % self.multiple or width % self.multiple:
            raise ValueError(f"This model takes images in multiples of {self.multiple}; got {width} x {height}.")
        mean = self.vae.encode((2 * picture - 1).to(self.vae.device, self.vae.dtype)).latent_dist.mean
        return ((mean - _shift(self.vae)) * self.vae.config.scaling_factor).float()

    @torch.no_grad()
    def decode(self, x0: Latent) -> Picture:
        """The picture of a clean latent, on the CPU, held to 0..1."""
        return self.decoded(x0).cpu().clamp(0, 1)

    def decoded(self, x0: Latent) -> Picture:
        """The autoencoder's own output for a clean latent, where it lies; gradients flow through it."""
        latent = x0.to(self.vae.device) / self.vae.config.scaling_factor + _shift(self.vae)
        return self.vae.decode(latent.to(self.vae.dtype)).sample.float() / 2 + 0.5


def _shift(vae: Any) -> float:
    return float(vae.config.get("shift_factor") or 0)


def _at(prompt: Prompt, guidance: float) -> Prompt:
    strength = torch.full((len(prompt.embedding), 1), guidance, device=prompt.embedding.device)
    return replace(prompt, added={**prompt.added, "guidance": strength})


def studio(
    *, unet: Any, vae: Any, encoders: Sequence[tuple[Any, Any]], scheduler: Any, blank_is_zero: bool = False
) -> Studio:
    """A studio from diffusers' parts of a UNet model: `encoders` are pairs of tokenizer and text model, the levels are the scheduler's."""
    for module in (unet, vae, *(model for _, model in encoders)):
        module.eval()
    denoiser = DiffusersDenoiser(unet, levels_of(scheduler.alphas_cumprod), scheduler.config.prediction_type)
    readers, side = [TextEncoder(*pair) for pair in encoders], int(unet.config.sample_size)
    size = float(side * 2 ** (len(vae.config.block_out_channels) - 1))
    words = sdxl_words(readers, size=size, blank_is_zero=blank_is_zero) if readers[1:] else plain_words(readers[0])
    return Studio(denoiser, vae, words, readers[0].words, lambda steps, _: leading(denoiser.table, steps), side)


def flow_studio(
    *,
    transformer: Any,
    vae: Any,
    words: Words,
    tokens: Callable[[str], PromptTokens],
    scheduler: Any,
    side: int,
    guidance: float,
) -> Studio:
    """A studio from diffusers' parts of a rectified-flow model of pictures; the grid's shift is the scheduler's."""
    for module in (transformer, vae):
        module.eval()
    denoiser, levels = FlowDenoiser(transformer), partial(_flow_levels, scheduler.config)
    fixed = {} if scheduler.config.use_dynamic_shifting else {"normal": partial(_normal_levels, scheduler.config)}
    return Studio(denoiser, vae, words, tokens, levels, side, denoiser.patch[-1], guidance, {"simple": levels} | fixed)


def _normal_levels(config: Any, steps: int, image_tokens: int) -> Sigmas:
    return flow_match_euler(steps, shift=config.shift)


def _flow_levels(config: Any, steps: int, image_tokens: int) -> Sigmas:
    if not config.use_dynamic_shifting:
        return flow_shift(steps, shift=config.shift)
    ends = {"base_tokens": config.base_image_seq_len, "most_tokens": config.max_image_seq_len}
    mu = resolution_mu(image_tokens, base=config.base_shift, most=config.max_shift, **ends)
    return flow_shift(steps, shift=mu if config.time_shift_type == "linear" else math.exp(mu))
