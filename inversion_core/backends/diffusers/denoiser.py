"""UNets of the Stable Diffusion 1, 2 and XL kind in diffusers' layout, as denoisers in sigma space."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ...attention.edited_call import EditedCall
from ...paths import VE
from ...schedules import abar_to_sigmas
from ...shapes import Latent, Sigma, Sigmas
from .attention import reached, unet_attention, unet_blocks
from .control import residuals
from .features import features_reached
from .network import Branch, NetworkDenoiser, Prompt

__all__ = ["PREDICTIONS", "DiffusersDenoiser", "Prompt", "levels_of"]

Prediction = Callable[[Latent, Latent, Sigma], Latent]

PREDICTIONS: dict[str, Prediction] = {
    "epsilon": lambda x, out, sigma: x - sigma * out,
    "v_prediction": lambda x, out, sigma: x / (1 + sigma**2) - out * (sigma / (1 + sigma**2).sqrt()),
    "sample": lambda x, out, sigma: out,
}
"""The clean latent from what the network predicts (arXiv:2006.11239, eq. 15; arXiv:2202.00512, app. D), in sigma space."""


@dataclass(frozen=True)
class DiffusersDenoiser(NetworkDenoiser):
    """`D(x, sigma)` from `unet(x / sqrt(1 + sigma^2), t(sigma))`.

    `table` holds the levels that the network was trained on, increasing; `prediction` is a name of `PREDICTIONS`.
    """

    path = VE
    controllable = True
    table: Sigmas
    prediction: str

    def __post_init__(self) -> None:
        if self.prediction not in PREDICTIONS:
            raise ValueError(
                f"The model predicts '{self.prediction}'; this version understands {', '.join(PREDICTIONS)}."
            )
        if len(self.table) < 2 or bool((self.table.diff() <= 0).any()) or not bool(torch.isfinite(self.table).all()):
            raise ValueError("The levels of a model must be finite and increase; take them from its scheduler.")

    @property
    def features(self) -> int:
        return int(self.network.config.cross_attention_dim)

    @property
    def blocks(self) -> Sequence[str]:
        return unet_blocks(self.network)

    def check_latent(self, x: Latent) -> None:
        channels = self.network.config.in_channels
        if x.ndim != 4 or x.shape[1] != channels:
            raise ValueError(f"This network takes latents [batch, {channels}, height, width]; got {tuple(x.shape)}.")

    def clean(self, x: Latent, sigma: Sigma, prompt: Prompt, branches: Sequence[Branch], call: EditedCall) -> Latent:
        places = unet_attention(self.network, x.shape[-2:], float(sigma)) if call.edits else {}
        scaled = (x / VE.input_scale(sigma)).to(self.network.dtype)
        timestep, added = self.timestep(sigma).to(self.device, torch.float32), dict(prompt.added)
        control = residuals(prompt.control, scaled, timestep, prompt.embedding, added)
        with reached(places, call, branches), features_reached(self.network, call, branches, float(sigma)):
            out = self.network(
                scaled,
                timestep,
                encoder_hidden_states=prompt.embedding,
                added_cond_kwargs=added,
                return_dict=False,
                **control,
            )[0]
        return PREDICTIONS[self.prediction](x, out.to(x.dtype), sigma)

    def timestep(self, sigma: Sigma) -> Float[Tensor, ""]:
        """The place of `sigma` among the trained levels, between two of them by its logarithm; held at both ends."""
        held = sigma.clamp(self.table[0], self.table[-1])
        low = (torch.searchsorted(self.table, held, right=True) - 1).clamp(0, len(self.table) - 2)
        below, above = self.table[low], self.table[low + 1]
        return low + (held / below).log() / (above / below).log()


def levels_of(abar: Float[Tensor, " levels"]) -> Sigmas:
    """The finite levels of a scheduler's `alphas_cumprod`, increasing; zero-terminal-SNR's last one, sigma infinity, is left out."""
    table = abar_to_sigmas(abar.cpu().double())
    return table[torch.isfinite(table)]
