"""What the parts of the library hand to each other."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch

from .paths import NoisePath, velocity
from .shapes import Embedding, Latent, Sigma

Prompt: TypeAlias = Any
"""A prompt as the host encodes it; only the host's backend looks inside."""
State: TypeAlias = Any
"""What a step carries to the next step; None at first."""


@dataclass(frozen=True)
class Cond:
    """A prompt under classifier-free guidance: `D = D_uncond + guidance * (D_cond - D_uncond)` (arXiv:2207.12598, eq. 6)."""

    cond: Prompt
    uncond: Prompt = None
    guidance: float = 1.0

    def __post_init__(self) -> None:
        if self.guidance != 1 and self.uncond is None:
            raise ValueError(f"Guidance {self.guidance} needs an unconditional prompt, but uncond is None.")

    @property
    def guided(self) -> bool:
        """Whether the unconditional branch is evaluated at all."""
        return self.guidance != 1

    def alone(self) -> "Cond":
        """The conditional branch by itself, at guidance 1."""
        return Cond(self.cond)


@runtime_checkable
class Denoiser(Protocol):
    """Predicts the clean latent of `x` at `sigma`; guidance is part of `cond`."""

    @property
    def path(self) -> NoisePath: ...

    @property
    def device(self) -> torch.device: ...

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent: ...


@runtime_checkable
class EditableDenoiser(Denoiser, Protocol):
    """A denoiser of a host whose attention calls and embeddings can be reached."""

    @property
    def distilled(self) -> bool:
        """Whether guidance is an input of the network, which has then learnt no unconditional branch (arXiv:2210.03142)."""
        ...

    def edited(self, *edits: Any) -> "EditableDenoiser":
        """A new denoiser that runs `edits` (attention.site.AttentionEdit), the first outermost; this one is not touched."""
        ...

    def absent(self, prompt: Prompt, sigma: Sigma) -> tuple[int, ...]:
        """The parts of a prompt that do not act at this level, by their numbers: some act in a range of the steps only."""
        ...

    def embedding(self, prompt: Prompt) -> Embedding:
        """The text embedding of a prompt, float32."""
        ...

    def with_embedding(self, prompt: Prompt, embedding: Embedding) -> Prompt:
        """The same prompt with another text embedding; gradients flow into it."""
        ...

    def differentiable(self) -> AbstractContextManager["EditableDenoiser"]:
        """A context in which the yielded denoiser's calls can be differentiated."""
        ...


@dataclass(frozen=True)
class Wrapper:
    """A denoiser made from another: all but the call is the other's. What changes predictions derives from this."""

    denoiser: Any

    @property
    def path(self) -> NoisePath:
        return self.denoiser.path

    @property
    def device(self) -> torch.device:
        return self.denoiser.device

    @property
    def distilled(self) -> bool:
        return self.denoiser.distilled

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        return self.denoiser(x, sigma, cond)

    def edited(self, *edits: Any) -> "Wrapper":
        return replace(self, denoiser=self.denoiser.edited(*edits))

    def absent(self, prompt: Prompt, sigma: Sigma) -> tuple[int, ...]:
        return self.denoiser.absent(prompt, sigma)

    def embedding(self, prompt: Prompt) -> Embedding:
        return self.denoiser.embedding(prompt)

    def with_embedding(self, prompt: Prompt, embedding: Embedding) -> Prompt:
        return self.denoiser.with_embedding(prompt, embedding)

    @contextmanager
    def differentiable(self) -> Iterator["Wrapper"]:
        with self.denoiser.differentiable() as denoiser:
            yield replace(self, denoiser=denoiser)


def require_unconditional(denoiser: EditableDenoiser, method: str) -> None:
    """Raises ValueError if the network has no unconditional branch, which `method` works on."""
    if denoiser.distilled:
        raise ValueError(
            f"{method} changes the unconditional branch of guidance, which this model does not have: guidance was distilled into the "
            "model as an input. Use direct inversion, which is exact without, or a model that is not distilled."
        )


@dataclass(frozen=True)
class Bound:
    """A denoiser with its cond: what a step calls."""

    denoiser: Denoiser
    cond: Cond

    @property
    def path(self) -> NoisePath:
        return self.denoiser.path

    def __call__(self, x: Latent, sigma: Sigma) -> Latent:
        return self.denoiser(x, sigma, self.cond)

    def slope(self, x: Latent, sigma: Sigma) -> Latent:
        """`dx/dsigma` at `x`, from one evaluation.

        At sigma 0 it is that at the path's least level, as close as a network's velocity there is told from its clean
        prediction. Raises ValueError at sigma 0 of a path that has none there.
        """
        told = sigma if sigma > 0 else torch.full_like(sigma, self.path.least)
        return velocity(x, self(x, told), told)


@runtime_checkable
class Step(Protocol):
    """Moves `x` from `sigma` to `sigma_next`, either way."""

    def __call__(
        self, denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State
    ) -> tuple[Latent, State]: ...


@dataclass(frozen=True)
class SigmaRange:
    """The noise levels from `high` down to `low`, both included; empty when `low` is above `high`."""

    high: float
    low: float

    def __contains__(self, sigma: float) -> bool:
        return self.low <= sigma <= self.high
