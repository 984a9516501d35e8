"""What several nodes share: schemas for every ComfyUI version, progress and cancel, pictures and masks, checks."""

from collections.abc import Callable
from functools import cache
from typing import Any

import comfy.model_management
import latent_preview
import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

from ..inversion_core.backends.comfy import fingerprint_of
from ..inversion_core.storage import require_same_model
from ..inversion_core.types import OnStep, Progress
from .sockets import Frame, LatentTrajectory


def schema(**facts: Any) -> io.Schema:
    """An io.Schema of those facts that the running ComfyUI knows."""
    known = io.Schema.__dataclass_fields__
    return io.Schema(**{name: value for name, value in facts.items() if name in known})


def reporter(model: Any) -> OnStep:
    """Progress bar and live preview after every step; a cancel by the user ends the loop here."""
    bar: Callable[[int], Callable[..., None]] = cache(lambda total: latent_preview.prepare_callback(model, total))

    def on_step(progress: Progress) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar(progress.total)(progress.index, progress.x0, progress.x, progress.total)

    return on_step


def check_model(record: LatentTrajectory, model: Any) -> str:
    """The model's fingerprint. Raises StorageError if the trajectory was made with other weights."""
    known = fingerprint_of(model)
    require_same_model(record.trajectory.provenance, known)
    return known


def frame_of(latent: dict[str, Any]) -> Frame | None:
    """The picture size that Inversion Encode left in a LATENT. Raises ValueError if the latent was resized since."""
    frame = latent.get("inversion_frame")
    if frame is None:
        return None
    height, width = latent["samples"].shape[-2:]
    if frame.padded_height % height or frame.padded_width * height != frame.padded_height * width:
        raise ValueError(
            f"The latent is {width} x {height}, but Inversion Encode made it from a picture of {frame.padded_width} x "
            f"{frame.padded_height}: it was resized or cropped in between. Resize the picture before encoding instead."
        )
    return frame


def padded(pixels: Tensor, height: int, width: int) -> Tensor:
    """Pictures `[batch, height, width, ...]` continued to the right and the bottom by reflection."""
    more = [(0, 0), (0, height - pixels.shape[1]), (0, width - pixels.shape[2]), *[(0, 0)] * (pixels.ndim - 3)]
    return torch.from_numpy(np.pad(pixels.cpu().numpy(), more, mode="reflect"))


def blend_mask(mask: Tensor, frame: Frame | None, batch: int) -> Tensor:
    """A MASK `[batch, height, width]` as `[batch, 1, height, width]` of the padded picture. Raises ValueError if it does not fit."""
    mask = mask if mask.ndim == 3 else mask.reshape(-1, *mask.shape[-2:])
    if len(mask) not in (1, batch):
        raise ValueError(f"There are {len(mask)} masks for {batch} pictures; give one for all, or one for each.")
    if frame is not None and tuple(mask.shape[1:]) != (frame.height, frame.width):
        raise ValueError(
            f"The mask is {mask.shape[2]} x {mask.shape[1]}, but the picture is {frame.width} x {frame.height}. "
            "Paint or resize the mask to the picture's size."
        )
    if frame is not None:
        mask = padded(mask, frame.padded_height, frame.padded_width)
    return mask.clamp(0, 1)[:, None].float()
