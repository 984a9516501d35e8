"""An editing technique: what its source pass records, how its target pass uses that, and what it blends."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from ..shapes import Heads, Latent
from ..trajectory import Trajectory
from ..types import Cond, SigmaRange
from .bank import Bank
from .site import Attend, AttentionEdit, Site

Apply: TypeAlias = Callable[[Bank, Attend, Heads, Heads, Heads, Site], Heads]
"""`(bank, attend, q, k, v, site) -> out`: an attention call's result, which may record in the bank or recall from it."""

Blend: TypeAlias = Callable[[Latent, Latent, float, Bank, Any], tuple[Latent, Any]]
"""`(x_target, x_source, sigma, bank, state) -> (x_target, state)`, after a step that was evaluated at `sigma`."""

Begin: TypeAlias = Callable[[Latent, float], Latent]
"""`(x, sigma) -> x`: the latent that the target starts from, made of the source's at the first level."""


@dataclass(frozen=True)
class Pass:
    """What a technique does to attention while the network is shown one picture: an `AttentionEdit` that lacks its bank.

    It changes nothing at noise levels outside of `active` (None: it acts at all).
    """

    name: str
    where: Callable[[Site], bool]
    apply: Apply
    features: bool = False
    norms: bool = False
    reads: bool = False
    active: SigmaRange | None = None

    def __call__(self, bank: Bank) -> AttentionEdit:
        """Bind the pass to the bank of a step."""
        return AttentionEdit(self.name, self.where, partial(self._act, bank), self.features, self.norms, self.reads)

    def _act(self, bank: Bank, attend: Attend, q: Heads, k: Heads, v: Heads, site: Site) -> Heads:
        if self.active is not None and site.sigma not in self.active:
            return attend(q, k, v)
        return self.apply(bank, attend, q, k, v, site)


@dataclass(frozen=True)
class Reference:
    """Another picture that an edit looks at while it runs: its trajectory on the same grid, and its prompt.

    At every step the network is shown the reference at the step's level, under `record`, at guidance 1.
    """

    trajectory: Trajectory
    cond: Cond
    record: Pass


@dataclass(frozen=True)
class Technique:
    """An editing technique: what its source pass records in a bank, how its target pass uses that, what it blends.

    What a `reference` records lies in the same bank, under a name of its own. `begin` changes the latent that the target
    starts from.
    """

    record: Pass | None = None
    inject: Pass | None = None
    blend: Blend | None = None
    reference: Reference | None = None
    begin: Begin | None = None
