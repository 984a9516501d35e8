"""The sockets that only this pack has, and the values that travel on them: immutable, and all on the CPU."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from comfy_api.latest import io
from torch import Tensor

from ..inversion_core.attention.local_blend import local_blend
from ..inversion_core.attention.prompt_to_prompt import prompt_to_prompt
from ..inversion_core.attention.site import Technique
from ..inversion_core.attention.tokens import Alignment
from ..inversion_core.schedules import window
from ..inversion_core.shapes import Latent, Sigmas
from ..inversion_core.trajectory import NullText, Trajectory

TrajectorySocket = io.Custom("LATENT_TRAJECTORY")
NullTextSocket = io.Custom("NULL_TEXT")
AttentionEditSocket = io.Custom("ATTENTION_EDIT")


@dataclass(frozen=True)
class Frame:
    """The size of a picture, and the size to which it was padded at the right and the bottom."""

    height: int
    width: int
    padded_height: int
    padded_width: int


@dataclass(frozen=True)
class Scale:
    """What leads from the model's latents to pictures: the VAE's latent of `x` is `scale * x + shift`, channel by channel."""

    scale: tuple[float, ...]
    shift: tuple[float, ...]
    frame: Frame | None = None

    def samples(self, x: Latent) -> Latent:
        """`x` in the VAE's scale: a LATENT's samples."""
        shape = (1, -1, *[1] * (x.ndim - 2))
        return torch.tensor(self.scale).view(shape) * x.cpu().float() + torch.tensor(self.shift).view(shape)

    def latent(self, x: Latent) -> dict[str, object]:
        """`x` as a LATENT that Inversion Decode brings back to the picture's size."""
        return {"samples": self.samples(x)} | ({"inversion_frame": self.frame} if self.frame else {})


@dataclass(frozen=True)
class LatentTrajectory:
    """A trajectory in the model's scale, and what leads back to pictures.

    The VAE's latent of `x` is `scale * x + shift`, channel by channel. `mask` is the region of the edit, as large as the
    padded picture, `[batch, 1, height, width]`.
    """

    trajectory: Trajectory
    scale: tuple[float, ...]
    shift: tuple[float, ...]
    frame: Frame | None = None
    mask: Tensor | None = None

    def samples(self, x: Latent) -> Latent:
        """`x` in the VAE's scale: a LATENT's samples."""
        return Scale(self.scale, self.shift).samples(x)

    def latent(self, x: Latent) -> dict[str, object]:
        """`x` as a LATENT that Inversion Decode brings back to the picture's size."""
        return Scale(self.scale, self.shift, self.frame).latent(x)

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [*self.trajectory.tensors, *([] if self.mask is None else [self.mask])]


@dataclass(frozen=True)
class NullTextResult:
    """A null-text result on its socket."""

    null_text: NullText

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return list(self.null_text.embeddings)


Span = tuple[float, float]
"""Fractions of the steps, from the noisiest on."""


@dataclass(frozen=True)
class BlendWords:
    """The words whose attention shows where an edit may act."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    span: Span
    threshold: float


@dataclass(frozen=True)
class AttentionPlan:
    """An attention edit before the sigma grid is known; without `inject` the words only say where the edit may act."""

    alignment: Alignment
    inject: bool
    cross: Span
    self_attention: Span
    weights: Mapping[str, float]
    blend: BlendWords | None = None
    mask: Tensor | None = None

    def techniques(self, sigmas: Sigmas) -> list[Technique]:
        """What the core runs on this grid."""
        made = []
        if self.inject:
            cross, self_attention = window(sigmas, *self.cross), window(sigmas, *self.self_attention)
            made.append(
                prompt_to_prompt(self.alignment, cross=cross, self_attention=self_attention, weights=self.weights)
            )
        if self.blend is not None:
            words = self.blend
            made.append(
                local_blend(
                    self.alignment.source,
                    self.alignment.target,
                    source_words=words.source,
                    target_words=words.target,
                    active=window(sigmas, *words.span),
                    threshold=words.threshold,
                )
            )
        return made

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return [self.alignment.matrix, *([] if self.mask is None else [self.mask])]
