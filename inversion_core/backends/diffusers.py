"""UNets of the Stable Diffusion 1, 2 and XL kind in diffusers' layout, as denoisers in sigma space."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..attention.site import AttentionEdit, EditedCall
from ..fingerprint import fingerprint
from ..paths import VE, NoisePath
from ..schedules import abar_to_sigmas
from ..shapes import Embedding, Latent, Sigma, Sigmas
from ..types import Cond
from .diffusers_attention import Branch, reached

Prediction = Callable[[Latent, Latent, Sigma], Latent]

PREDICTIONS: dict[str, Prediction] = {
    "epsilon": lambda x, out, sigma: x - sigma * out,
    "v_prediction": lambda x, out, sigma: x / (1 + sigma**2) - out * (sigma / (1 + sigma**2).sqrt()),
    "sample": lambda x, out, sigma: out,
}
"""The clean latent from what the network predicts (arXiv:2006.11239, eq. 15; arXiv:2202.00512, app. D), in sigma space."""


@dataclass(frozen=True)
class Prompt:
    """An encoded prompt for one picture or one per picture, and what else the network is conditioned on (SDXL: `text_embeds`, `time_ids`)."""

    embedding: Embedding
    added: Mapping[str, Float[Tensor, "rows _"]] = field(default_factory=dict)


@dataclass(frozen=True)
class DiffusersDenoiser:
    """`D(x, sigma)` from `unet(x / sqrt(1 + sigma^2), t(sigma))`; a guided call is one batch, unconditional rows first.

    `table` holds the levels that the network was trained on, increasing; `prediction` is a name of `PREDICTIONS`.
    """

    unet: Any
    table: Sigmas
    prediction: str
    edits: tuple[AttentionEdit, ...] = ()
    grad: bool = False

    def __post_init__(self) -> None:
        if self.prediction not in PREDICTIONS:
            raise ValueError(
                f"The model predicts '{self.prediction}'; this version understands {', '.join(PREDICTIONS)}."
            )
        if len(self.table) < 2 or bool((self.table.diff() <= 0).any()) or not bool(torch.isfinite(self.table).all()):
            raise ValueError("The levels of a model must be finite and increase; take them from its scheduler.")

    @property
    def path(self) -> NoisePath:
        return VE

    @property
    def device(self) -> torch.device:
        return self.unet.device

    @property
    def fingerprint(self) -> str:
        """Tells this network's weights from others', in any layout or precision."""
        return fingerprint(self.unet.parameters())

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        """The clean latent, in the precision of `x`. Raises ValueError if `x` or a prompt does not fit the network."""
        branches: dict[Branch, Prompt] = (
            {"uncond": cond.uncond, "cond": cond.cond} if cond.guided else {"cond": cond.cond}
        )
        with nullcontext() if self.grad else torch.no_grad():
            rows = x.repeat(len(branches), 1, 1, 1)
            out = self._evaluate(rows, sigma, branches)
            x0, *guided = PREDICTIONS[self.prediction](rows, out, sigma).chunk(len(branches))
            return x0 + cond.guidance * (guided[0] - x0) if guided else x0

    def edited(self, *edits: AttentionEdit) -> "DiffusersDenoiser":
        """A denoiser that also runs `edits`, outside those that it has already."""
        return replace(self, edits=(*edits, *self.edits))

    def embedding(self, prompt: Prompt) -> Embedding:
        return prompt.embedding.float()

    def with_embedding(self, prompt: Prompt, embedding: Embedding) -> Prompt:
        return replace(prompt, embedding=embedding)

    @contextmanager
    def differentiable(self) -> Iterator["DiffusersDenoiser"]:
        """A context, free of inference mode, whose denoiser passes gradients on; the weights ask for none meanwhile."""
        asked = [p for p in self.unet.parameters() if p.requires_grad]
        with torch.inference_mode(False), torch.enable_grad():
            try:
                for parameter in asked:
                    parameter.requires_grad_(False)
                yield replace(self, grad=True)
            finally:
                for parameter in asked:
                    parameter.requires_grad_(True)

    def timestep(self, sigma: Sigma) -> Float[Tensor, ""]:
        """The place of `sigma` among the trained levels, between two of them by its logarithm; held at both ends."""
        held = sigma.clamp(self.table[0], self.table[-1])
        low = (torch.searchsorted(self.table, held, right=True) - 1).clamp(0, len(self.table) - 2)
        below, above = self.table[low], self.table[low + 1]
        return low + (held / below).log() / (above / below).log()

    def _evaluate(self, rows: Latent, sigma: Sigma, branches: Mapping[Branch, Prompt]) -> Latent:
        self._check(rows, list(branches.values()))
        each, dtype = len(rows) // len(branches), self.unet.dtype
        text = torch.cat([_rows(p.embedding, each) for p in branches.values()]).to(self.device, dtype)
        names = next(iter(branches.values())).added
        added = {n: torch.cat([_rows(p.added[n], each) for p in branches.values()]) for n in names}
        call = EditedCall(self.edits)
        with reached(self.unet, call, rows.shape[-2:], float(sigma), list(branches)) if self.edits else nullcontext():
            out = self.unet(
                (rows / VE.input_scale(sigma)).to(dtype),
                self.timestep(sigma).to(self.device, torch.float32),
                encoder_hidden_states=text,
                added_cond_kwargs={n: t.to(self.device, dtype) for n, t in added.items()},
                return_dict=False,
            )[0]
        call.check()
        return out.to(rows.dtype)

    def _check(self, rows: Latent, prompts: Sequence[Prompt]) -> None:
        config = self.unet.config
        if rows.ndim != 4 or rows.shape[1] != config.in_channels:
            raise ValueError(
                f"This network takes latents [batch, {config.in_channels}, height, width]; got {tuple(rows.shape)}."
            )
        shapes = {(p.embedding.shape[1:], tuple(sorted(p.added))) for p in prompts}
        if len(shapes) > 1 or any(p.embedding.shape[2] != config.cross_attention_dim for p in prompts):
            raise ValueError(
                f"Prompts of one call must have one shape with {config.cross_attention_dim} features; got "
                f"{sorted(tuple(p.embedding.shape) for p in prompts)}. Encode them with this model's text encoder."
            )


def _rows(tensor: Tensor, count: int) -> Tensor:
    """One row per picture from a tensor that has as many, or one for all."""
    if len(tensor) not in (1, count):
        raise ValueError(f"A prompt has {len(tensor)} rows for {count} pictures; it needs one, or one for each.")
    return tensor.expand(count, *tensor.shape[1:])


def levels_of(abar: Float[Tensor, " levels"]) -> Sigmas:
    """The finite levels of a scheduler's `alphas_cumprod`, increasing; zero-terminal-SNR's last one, sigma infinity, is left out."""
    table = abar_to_sigmas(abar.double().cpu())
    return table[torch.isfinite(table)]
