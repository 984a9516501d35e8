"""Editing without inversion: the picture is moved by the difference of what two prompts predict for coupled noisings of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from ..attention.bank import Bank
from ..attention.budget import Ledger, Memory
from ..attention.technique import Technique
from ..paths import NoisePath
from ..progress import OnStep, Progress
from ..shapes import Latent, Sigma, Sigmas
from ..trajectory import check_decreasing
from ..types import Bound, Cond, EditableDenoiser
from .edit import Edited, blend, edits_of
from .integrate import working


@dataclass(frozen=True)
class Pair:
    """A picture under two prompts: what a rule may ask for during a step. `denoiser` is free of attention edits."""

    denoiser: EditableDenoiser
    x0: Latent
    source: Bound
    target: Bound
    generator: torch.Generator

    @property
    def path(self) -> NoisePath:
        return self.source.path

    def draw(self) -> Latent:
        """Fresh noise of the picture's shape."""
        return torch.randn(self.x0.shape, generator=self.generator).to(self.x0)

    def change(self, x_target: Latent, x_source: Latent, sigma: Sigma) -> Latent:
        """`D_target(x_target) - D_source(x_source)`, the source asked first."""
        before = self.source(x_source, sigma)
        return self.target(x_target, sigma) - before


@runtime_checkable
class Rule(Protocol):
    """A method: where the edited clean latent `z` goes on the step from `sigma` to `sigma_next`."""

    def __call__(self, pair: Pair, z: Latent, sigma: Sigma, sigma_next: Sigma) -> Latent: ...


def delta_edit(
    rule: Rule,
    denoiser: EditableDenoiser,
    x0: Latent,
    sigmas: Sigmas,
    source: Cond,
    target: Cond,
    *,
    techniques: Sequence[Technique] = (),
    generator: torch.Generator | None = None,
    memory: Memory | None = None,
    on_step: OnStep | None = None,
) -> Edited:
    """`x0` moved by `rule` over the decreasing grid `sigmas`; its first level is how far the picture is noised at most.

    Techniques work as in `edit`: at each step the source's predictions record in a bank, the target's read it, and the
    blends see the clean latents. Noise comes from `generator`, on the CPU, with seed 0 if there is none. Raises
    ValueError if the grid does not decrease, `x0` is not finite or a technique needs a trajectory, UnmatchedEdit as
    `edit`.
    """
    check_decreasing(sigmas)
    if any(technique.reference is not None or technique.begin is not None for technique in techniques):
        raise ValueError(
            "This method follows no trajectory, so the edit cannot attend to a reference image on the way. Use a method that edits "
            "along a trajectory, such as 'direct'."
        )
    if not bool(torch.isfinite(x0).all()):
        raise ValueError(f"The latent to edit has {int((~torch.isfinite(x0)).sum())} values that are not finite.")
    generator = generator or torch.Generator().manual_seed(0)
    z = x0 = working(x0, denoiser)
    states = (None,) * len(techniques)
    ledger = Ledger(memory, denoiser.device)
    bank = Bank(ledger)
    source_host, target_host = (denoiser.edited(*edits_of(techniques, bank, role)) for role in ("record", "inject"))
    pair = Pair(denoiser, x0, Bound(source_host, source), Bound(target_host, target), generator)
    for index in range(len(sigmas) - 1):
        sigma, sigma_next = sigmas[index], sigmas[index + 1]
        with ledger.step():
            z = rule(pair, z, sigma, sigma_next)
            z, states = blend(techniques, z, x0, sigma, bank, states)
            if on_step is not None:
                step = Progress("edit", index, len(sigmas) - 1, float(sigma_next), z, z, ledger.sizes, source=x0)
                on_step(step)
    return Edited(z.cpu(), (x0.cpu(),) * len(sigmas))
