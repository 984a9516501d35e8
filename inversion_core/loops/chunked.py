"""A batch of many pictures in parts, so that the network's memory does not grow with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from ..attention.site import Attend, AttentionEdit, Site
from ..shapes import Heads, Latent, Sigma
from ..types import Cond, Wrapper


@dataclass(frozen=True)
class Chunked(Wrapper):
    """A denoiser that shows the network a batch in `chunks`: numbers of rows, in the order in which they are evaluated.

    Edits see in `Site.rows` which pictures a call has. A prompt has one row for all pictures. A batch of another size
    (a reference's) goes through whole. Raises ValueError unless every row is in one chunk.
    """

    chunks: tuple[tuple[int, ...], ...]
    edits: tuple[AttentionEdit, ...] = ()

    def __post_init__(self) -> None:
        rows = [row for chunk in self.chunks for row in chunk]
        if sorted(rows) != list(range(len(rows))) or not all(self.chunks):
            raise ValueError(f"Chunks hold every row of a batch once, and none is empty; got {self.chunks}.")

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        if len(x) != sum(map(len, self.chunks)):
            return self.denoiser.edited(*self.edits)(x, sigma, cond)
        x0 = torch.empty_like(x)
        for rows in self.chunks:
            denoiser = self.denoiser.edited(*(_on_rows(edit, rows) for edit in self.edits))
            x0[list(rows)] = denoiser(x[list(rows)], sigma, cond)
        return x0

    def edited(self, *edits: Any) -> "Chunked":
        return replace(self, edits=(*edits, *self.edits))


def chunks_of(keys: Sequence[int], rows: int, size: int) -> tuple[tuple[int, ...], ...]:
    """The rows `keys` first and together, then the others, at most `size` at once."""
    others = [row for row in range(rows) if row not in keys]
    rest = (tuple(others[first : first + size]) for first in range(0, len(others), size))
    return (*((tuple(keys),) if keys else ()), *rest)


def _on_rows(edit: AttentionEdit, rows: tuple[int, ...]) -> AttentionEdit:
    return replace(edit, apply=partial(_applied, edit, rows))


def _applied(
    edit: AttentionEdit, rows: tuple[int, ...], attend: Attend, q: Heads, k: Heads, v: Heads, site: Site
) -> Heads:
    return edit.apply(attend, q, k, v, replace(site, rows=rows))
