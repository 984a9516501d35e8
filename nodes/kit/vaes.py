"""What a VAE takes: by how much it shrinks pictures, and what a batch is to one of videos."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..sockets import Frame

AUTOMATIC, PICTURES, CLIP = "automatic", "pictures", "a clip"
LONGEST = 64
"""By how many frames a clip is continued at most: no VAE puts so many into one of its latent."""


def frame_for(vae: Any, shape: tuple[int, ...], multiple: int, batch: str) -> Frame:
    """The size to which a batch of pictures, or of the frames of a clip, is continued for the VAE.

    Width and height become multiples of the first number from `multiple` on that the VAE's ratio divides.
    """
    count, *sides = shape[:3]
    whole = -(-multiple // spatial_ratio(vae)) * spatial_ratio(vae)
    sizes = (*sides, *(-(-side // whole) * whole for side in sides))
    if count == 1 or not of_clips(vae, batch):
        return Frame(*sizes)
    return Frame(*sizes, count, whole_frames(vae, count))


def of_clips(vae: Any, batch: str) -> bool:
    """Whether the VAE takes a batch for the frames of one clip."""
    if getattr(vae, "latent_dim", 3) == 2:
        return False
    return batch == CLIP or (batch == AUTOMATIC and not getattr(vae, "not_video", False))


def spatial_ratio(vae: Any) -> int:
    """How many pixels in width and height a place of the VAE's latent stands for."""
    ratio = getattr(vae, "downscale_ratio", 8)
    return int(ratio[-1] if isinstance(ratio, tuple) else ratio)


def whole_frames(vae: Any, count: int) -> int:
    """The first number of frames from `count` on that the VAE gives back whole."""
    ratios = [getattr(vae, name, None) for name in ("downscale_ratio", "upscale_ratio")]
    if not all(isinstance(ratio, tuple) and callable(ratio[0]) for ratio in ratios):
        return count
    shrink, grow = (ratio[0] for ratio in ratios)
    return next((n for n in range(count, count + LONGEST) if grow(shrink(n)) == n), count)


def encoder(vae: Any, frame: Frame) -> Callable[[Tensor], Tensor]:
    """What encodes pictures `[batch, height, width, 3]`, each with a latent of its own, or the frames of a clip together."""
    if frame.frames is not None:
        together = copy.copy(vae)
        together.not_video = False  # ComfyUI would give each frame a latent of its own
        return together.encode
    if getattr(vae, "latent_dim", 3) == 2:
        return vae.encode
    return lambda pixels: torch.cat([vae.encode(one[None]) for one in pixels])
