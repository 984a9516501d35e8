"""The same edits without an image model: a denoiser of one's own, on tensors of any meaning."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..inversion_core.methods import EDITORS, EditJob
from ..inversion_core.paths import PATHS, NoisePath
from ..inversion_core.types import Cond, EditableDenoiser
from ..inversion_core.wording import nearest, quoted
from ..pictures.errors import UserError
from .checks import check_name
from .progress import Watch, watching

Predict: TypeAlias = Callable[[Tensor, Tensor, Any], Tensor]
"""`(x, sigma, prompt) -> x0`."""


@dataclass(frozen=True)
class OwnDenoiser:
    """A function as an `EditableDenoiser`: guided by two calls, without attention that could be edited."""

    predict: Predict
    path: NoisePath
    device: torch.device
    distilled: bool = False

    def __call__(self, x: Tensor, sigma: Tensor, cond: Cond) -> Tensor:
        x0 = self._clean(x, sigma, cond.cond)
        if not cond.guided:
            return x0
        away = self._clean(x, sigma, cond.uncond)
        return away + cond.guidance * (x0 - away)

    def _clean(self, x: Tensor, sigma: Tensor, prompt: Any) -> Tensor:
        x0 = self.predict(x, sigma, prompt)
        if not isinstance(x0, Tensor) or x0.shape != x.shape:
            got = f"a tensor {list(x0.shape)}" if isinstance(x0, Tensor) else f"a {type(x0).__name__}"
            raise UserError(
                f"The denoiser must return the clean latent {list(x.shape)}, a tensor like x; it returned {got}."
            )
        return x0

    def edited(self, *edits: Any) -> "OwnDenoiser":
        if edits:
            raise UserError("A function has no attention that could be edited. Leave attention edits out.")
        return self

    def absent(self, prompt: Any, sigma: Tensor) -> tuple[int, ...]:
        return ()

    def embedding(self, prompt: Any) -> Tensor:
        if not isinstance(prompt, Tensor):
            raise UserError(
                "This method optimises the prompt, which must be a tensor of floating point numbers for that."
            )
        return prompt

    def with_embedding(self, prompt: Any, embedding: Tensor) -> Tensor:
        return embedding

    @contextmanager
    def differentiable(self) -> Iterator["OwnDenoiser"]:
        with torch.inference_mode(False), torch.enable_grad():
            yield self


def wrap_denoiser(predict: Predict, path: str = "ve", device: str | torch.device = "cpu") -> EditableDenoiser:
    """Make a denoiser of a function `(x, sigma, prompt) -> x0` that predicts the clean latent.

    `x` is a tensor [batch, channels, ...] at the noise level `sigma`, a float64 scalar. `path` says what noise does: "ve",
    `x = x0 + sigma noise`, or "rf", `x = (1 - sigma) x0 + sigma noise` (rectified flow, sigma in 0..1). A prompt may be
    anything that the function understands. Raises UserError if it is no function, or at another path.
    """
    if isinstance(predict, torch.nn.Module) and hasattr(predict, "config"):
        raise UserError(
            f"A {type(predict).__name__} is a network of diffusers, which predicts noise or velocity. Give the whole pipeline to load()."
        )
    if not callable(predict):
        raise UserError(f"A denoiser is a function (x, sigma, prompt) -> x0; got a {type(predict).__name__}.")
    if path not in PATHS:
        raise UserError(f"There is no path {quoted(path)}.{nearest(str(path), PATHS)} Choose from: {', '.join(PATHS)}.")
    return OwnDenoiser(predict, PATHS[path], torch.device(device))


def edit_latent(
    denoiser: EditableDenoiser | Predict,
    x0: Tensor,
    source: Any,
    target: Any,
    *,
    sigmas: Tensor,
    method: str = "direct",
    guidance: float = 1.0,
    negative: Any = None,
    strength: float = 1.0,
    seed: int = 0,
    progress: Watch = False,
) -> Tensor:
    """Edit clean latents [batch, channels, ...] from the prompt `source` to `target`, and return them edited.

    `sigmas` is the decreasing grid of noise levels, ending at 0. `guidance` other than 1 leads away from `negative`, a
    prompt too; `strength` is the share of the steps that are edited; `seed` is for methods that draw noise. A function
    is taken as `wrap_denoiser(function)`. Raises UserError, a ValueError, if there is no such method, and as the method does.
    """
    check_name("method", method, EDITORS)
    if not isinstance(denoiser, EditableDenoiser):
        denoiser = wrap_denoiser(denoiser)
    if guidance != 1 and negative is None:
        raise UserError(
            f"Guidance {guidance:g} leads away from the prompt `negative`, which is missing. Give it, or set guidance to 1."
        )
    conds = (Cond(prompt, negative, guidance) for prompt in (source, target))
    levels = torch.as_tensor(sigmas, dtype=torch.float64, device="cpu")
    with watching(progress) as on_step:
        job = EditJob(denoiser, x0, levels, *conds, strength=strength, seed=seed, on_step=on_step)
        return EDITORS[method].edit(job).target
