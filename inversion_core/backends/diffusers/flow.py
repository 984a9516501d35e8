"""Rectified-flow transformers in diffusers' layout, as denoisers in sigma space."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ...attention.edited_call import EditedCall
from ...paths import RF
from ...shapes import Latent, Sigma
from .attention import Describe, reached
from .families import FAMILIES, Family
from .joint import transformer_attention, transformer_blocks
from .network import Branch, NetworkDenoiser, Prompt


@dataclass(frozen=True)
class FlowDenoiser(NetworkDenoiser):
    """`D(x, sigma) = x - sigma v(x, sigma)` from a transformer that predicts the velocity v (arXiv:2209.03003, eq. 1).

    A network with distilled guidance takes its strength from the prompt, `added["guidance"]` [rows, 1], as an input;
    a guided `Cond` on top of that is a second guidance, of two evaluations.
    """

    path = RF

    def __post_init__(self) -> None:
        if type(self.network).__name__ not in FAMILIES:
            raise ValueError(
                f"The model is a {type(self.network).__name__}; of rectified-flow transformers this version understands {', '.join(FAMILIES)}."
            )

    @property
    def family(self) -> Family:
        return FAMILIES[type(self.network).__name__]

    @property
    def features(self) -> int:
        return int(self.family.features(self.network.config))

    @property
    def blocks(self) -> Sequence[str]:
        return transformer_blocks(self.network, self.family.attention)

    @property
    def needs(self) -> tuple[str, ...]:
        return self.family.needs(self.network.config)

    @property
    def distilled(self) -> bool:
        return "guidance" in self.needs

    @property
    def patch(self) -> tuple[int, ...]:
        """The size of the pieces that a latent is cut into, one for each image token."""
        return self.family.patch(self.network.config)

    @property
    def most(self) -> int | None:
        return self.family.most(self.network.config)

    def weights(self) -> Iterable[Tensor]:
        return self.family.weights(self.network)

    def check_latent(self, x: Latent) -> None:
        channels, sides = self.family.channels(self.network.config), self.patch
        if x.ndim != 2 + len(sides) or x.shape[1] != channels:
            raise ValueError(f"This network takes latents [{self.family.form.format(channels)}]; got {tuple(x.shape)}.")
        if any(size % side for size, side in zip(x.shape[2:], sides, strict=True)):
            raise ValueError(
                f"This network cuts latents into pieces of {' x '.join(map(str, sides))}, which {tuple(x.shape)} does not hold a "
                "whole number of. Crop or widen the image."
            )
        if self.most is not None and any(n > self.most * side for n, side in zip(x.shape[2:], sides, strict=True)):
            raise ValueError(
                f"This network knows places for {self.most} x {self.most} pieces of {' x '.join(map(str, sides))}, which is less "
                f"than the latent {tuple(x.shape)} has. Scale the image down."
            )

    def clean(self, x: Latent, sigma: Sigma, prompt: Prompt, branches: Sequence[Branch], call: EditedCall) -> Latent:
        with reached(self._places(x, sigma, prompt) if call.edits else {}, call, branches):
            return x - sigma * self.family.velocity(self.network, x.to(self.network.dtype), sigma, prompt).to(x.dtype)

    def _places(self, x: Latent, sigma: Sigma, prompt: Prompt) -> Mapping[nn.Module, Describe]:
        frames, height, width = (1, 1, *(n // p for n, p in zip(x.shape[2:], self.patch, strict=True)))[-3:]
        text = prompt.embedding.shape[1]
        return transformer_attention(self.network, self.family.attention, (frames, height, width), text, float(sigma))
