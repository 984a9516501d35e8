"""What Save Trajectory notes in a file: how its latents are scaled, and how large its picture is."""

from dataclasses import MISSING, fields
from typing import Any

from ...inversion_core.files.fields import Right, read_field
from ..sockets import Frame

SIDE, SCALE = 100_000, 1e4
"""What the sides of a picture in pixels, and the numbers that lead from its latent to the VAE's, are at most."""


def facts_of(notes: dict[str, Any], channels: int) -> tuple[tuple[float, ...], tuple[float, ...], Frame | None]:
    """Scale, shift and frame of a trajectory, as its file notes them. Raises ValueError at one that is missing or of another kind."""
    numbers: Right = (
        f"a list of {channels} numbers, one a channel, of at most {SCALE:.0f}",
        lambda kept: (
            isinstance(kept, list)
            and len(kept) == channels
            and all(type(one) in (int, float) and abs(one) <= SCALE for one in kept)
        ),
    )
    known = {field.name: field.default is MISSING for field in fields(Frame)}
    sides: Right = (
        f"nothing, or {', '.join(known)} in whole pixels, of at most {SIDE}",
        lambda kept: (
            kept is None
            or (
                isinstance(kept, dict)
                and {name for name, must in known.items() if must} <= set(kept) <= set(known)
                and all(type(side) is int and 0 <= side <= SIDE for side in kept.values())
            )
        ),
    )
    scale, shift = (tuple(read_field(notes, name, numbers)) for name in ("scale", "shift"))
    frame = read_field(notes, "frame", sides)
    return scale, shift, frame and Frame(**frame)
