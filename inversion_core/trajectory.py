"""The latents of one picture along its noise path, and what is computed for them: values that are stored and passed on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from .paths import NoisePath
from .shapes import Embedding, Latent, Sigmas


@dataclass(frozen=True)
class Provenance:
    """Where a trajectory or a null-text result came from; what is not known is empty.

    `model` is the identity by which another model is refused; `checkpoint` and `loras` are the names of its files.
    """

    model: str = ""
    method: str = ""
    guidance: float = 1.0
    prompt: str = ""
    negative: str = ""
    checkpoint: str = ""
    loras: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trajectory:
    """An image's latents at decreasing sigmas, and what it takes to retrace them.

    `xs[i]` lies at `sigmas[i]`; `xs[0]` is the noisiest, `xs[-1]` the image. `solver` names the step that replays it.
    `partners[i]` is the second state at that level, of methods that walk two; `noise[i]` is added after the step from
    there, on every branch. `residuals` are the relative errors that a fixed-point inversion left, from the noisiest on.
    """

    path: NoisePath
    sigmas: Sigmas
    xs: tuple[Latent, ...]
    solver: str = "euler"
    partners: tuple[Latent, ...] | None = None
    noise: tuple[Latent, ...] | None = None
    residuals: tuple[float, ...] | None = None
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        check_decreasing(self.sigmas)
        for name, values in (("latents", self.xs), ("partners", self.partners)):
            if values is not None and len(values) != len(self.sigmas):
                raise ValueError(f"A trajectory of {len(self.sigmas)} sigmas has as many {name}; got {len(values)}.")
        for name, steps in (("noise maps", self.noise), ("residuals", self.residuals)):
            if steps is not None and len(steps) != self.steps:
                raise ValueError(f"A trajectory of {self.steps} steps has as many {name}; got {len(steps)}.")
        shapes = {tuple(x.shape) for x in self.tensors}
        if len(shapes) > 1:
            raise ValueError(f"The latents of a trajectory have one shape; got {sorted(shapes)}.")

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1

    @property
    def tensors(self) -> tuple[Latent, ...]:
        """All its latents, partners and noise maps."""
        return (*self.xs, *(self.partners or ()), *(self.noise or ()))

    def row(self, number: int) -> "Trajectory":
        """The trajectory of one picture of the batch."""
        return self.rows([number])

    def rows(self, numbers: Sequence[int]) -> "Trajectory":
        """The trajectory of some pictures of the batch."""
        some = list(numbers)
        partners, noise = (kept and tuple(x[some] for x in kept) for kept in (self.partners, self.noise))
        return replace(self, xs=tuple(x[some] for x in self.xs), partners=partners, noise=noise)

    @property
    def moves(self) -> dict[float, tuple[Latent, Latent]]:
        """The latents before and after each step, by the level at which it starts."""
        ends = zip(self.sigmas[:-1].tolist(), self.xs[:-1], self.xs[1:], strict=True)
        return {sigma: (before, after) for sigma, before, after in ends}

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.xs[0].shape)


@dataclass(frozen=True)
class NullText:
    """Unconditional embeddings, one per step, that make guided sampling follow a trajectory.

    `embeddings[i]` serves the step from `sigmas[i]`. `first` and `last` are the losses at each step before and after.
    """

    sigmas: Sigmas
    embeddings: tuple[Embedding, ...]
    first: tuple[float, ...]
    last: tuple[float, ...]
    evaluations: int
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        steps = len(self.sigmas) - 1
        if not steps == len(self.embeddings) == len(self.first) == len(self.last):
            raise ValueError(f"A null-text result over {len(self.sigmas)} sigmas needs {steps} embeddings and losses.")


def check_decreasing(sigmas: Sigmas) -> None:
    """Raises ValueError unless `sigmas` is a strictly decreasing grid of at least two finite, non-negative levels."""
    if sigmas.ndim != 1 or len(sigmas) < 2:
        raise ValueError(f"A sigma grid needs at least two levels in one dimension; got shape {tuple(sigmas.shape)}.")
    if not bool(torch.isfinite(sigmas).all()) or bool((sigmas < 0).any()):
        raise ValueError(f"Sigmas must be finite and not negative; got {sigmas.tolist()}.")
    if bool((sigmas.diff() >= 0).any()):
        raise ValueError(f"A sigma grid must decrease at every step; got {[round(s, 4) for s in sigmas.tolist()]}.")
