"""Which blocks of a network an edit acts on: lists that were published for one, and shares of the depth of any."""

from collections.abc import Callable, Sequence

from .site import Site


def in_blocks(blocks: Sequence[str]) -> Callable[[Site], bool]:
    """The sites of blocks by name: "double.0" and "single.34" in transformers, a UNet's as its host calls them."""
    names = frozenset(blocks)
    return lambda site: site.block in names


def blocks_between(blocks: Sequence[str], start: float, end: float = 1.0) -> tuple[str, ...]:
    """The blocks from fraction `start` of the network's depth to fraction `end`; `blocks` are all of it in order.

    Raises ValueError unless 0 <= start < end <= 1 and a block lies between.
    """
    names = tuple(blocks[round(start * len(blocks)) : round(end * len(blocks))])
    if not (0 <= start < end <= 1 and names):
        raise ValueError(f"No block lies between {start} and {end} of a network of {len(blocks)} blocks.")
    return names
