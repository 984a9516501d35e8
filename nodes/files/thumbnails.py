"""Small pictures for a trajectory's file: of a picture, or, roughly, of a latent."""

from collections.abc import Iterator
from typing import Any

import comfy.latent_formats
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...pictures.files import shrunk
from ..kit.checks import rgb
from ..sockets import LatentTrajectory

SIDE = 256
"""A thumbnail's longer side in pixels, at most."""


def of_picture(image: Tensor) -> Tensor:
    """The first picture of an IMAGE in small, uint8 `[height, width, 3]`."""
    levels = np.rint(rgb(image[:1])[0].float().clamp(0, 1).cpu().numpy() * 255).astype(np.uint8)
    return torch.from_numpy(shrunk(levels, SIDE).copy())


def of_latent(record: LatentTrajectory) -> Tensor | None:
    """The first picture as ComfyUI's previews draw latents, uint8 `[height, width, 3]`; None if its colours are not known."""
    form = format_of(record)
    if form is None:
        return None
    x = record.trajectory.xs[-1][0].float().cpu()
    x = x[:, 0] if x.ndim == 4 else x
    factors, bias = form.latent_rgb_factors, getattr(form, "latent_rgb_factors_bias", None)
    levels = torch.einsum("chw,cr->hwr", x, torch.tensor(factors)) + torch.tensor(bias or (0.0, 0.0, 0.0))
    height, width = levels.shape[:2]
    if (frame := record.frame) is not None:
        height, width = height * frame.height / frame.padded_height, width * frame.width / frame.padded_width
    colours = Image.fromarray(((levels + 1) * 127.5).clamp(0, 255).round().to(torch.uint8).numpy())
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return torch.from_numpy(np.array(colours.resize(size, Image.Resampling.BICUBIC, box=(0, 0, width, height))))


def format_of(record: LatentTrajectory) -> Any:
    """The latent format of the record's channels and scale that can be drawn in colours; None if there is none.

    Of several the last that was defined is taken: packs bring theirs after ComfyUI's.
    """
    scale, shift = record.scale.scale, record.scale.shift
    channels, room = len(scale), [1] * (record.trajectory.xs[-1].ndim - 2)
    given = torch.tensor([shift, [a + b for a, b in zip(scale, shift, strict=True)]])
    for kind in reversed([*_formats(comfy.latent_formats.LatentFormat)]):
        try:
            form = kind()
            factors = form.latent_rgb_factors
            if factors is None or len(factors) != channels or form.latent_dimensions != len(room):
                continue
            zero, one = (form.process_out(torch.full((1, channels, *room), level)).flatten() for level in (0.0, 1.0))
        except (TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError):  # of another shape
            continue
        if given.shape[1] == len(zero) and torch.allclose(torch.stack([zero, one]), given, rtol=1e-3, atol=1e-3):
            return form
    return None


def _formats(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from _formats(one)
