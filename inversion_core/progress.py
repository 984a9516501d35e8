"""Where a loop stands, for whoever watches it: step by step, and as a part of a longer run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from .shapes import Latent


@dataclass(frozen=True)
class Part:
    """A loop's place in a longer run: it begins when the share `before` is done, and is the share `length` of it."""

    before: float = 0.0
    length: float = 1.0
    name: str = ""


@dataclass(frozen=True)
class Progress:
    """Where a loop is: step `index` of `total`, having moved `x` to `sigma`; `x0` is clean, for previews.

    `source` is the clean source beside it, or its prediction. A step may be told of `tries` times, which `index`
    and `total` then count. `banked` are the bytes that the step's attention banks kept, by what recorded them.
    """

    stage: str
    index: int
    total: int
    sigma: float
    x: Latent
    x0: Latent
    banked: Mapping[str, int] = field(default_factory=dict)
    source: Latent | None = None
    tries: int = 1
    part: Part = Part()

    @property
    def done(self) -> float:
        """The share of the whole run that is done, 0..1."""
        return self.part.before + self.part.length * (self.index + 1) / self.total


OnStep: TypeAlias = Callable[[Progress], None]
"""Called after every step. What it raises ends the loop: that is how a host cancels."""


def within(on_step: OnStep | None, before: float, length: float, name: str = "") -> OnStep | None:
    """`on_step` for a loop that is the part of so many shares of a run; parts may have parts."""
    if on_step is None:
        return None

    def told(progress: Progress) -> None:
        inner = progress.part
        part = Part(before + length * inner.before, length * inner.length, name or inner.name)
        on_step(replace(progress, part=part))

    return told
