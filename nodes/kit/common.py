"""What several nodes share: pictures and masks, checks."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...inversion_core.backends.comfy.identity import identity_of
from ...inversion_core.backends.comfy.model import is_guidance_distilled
from ...inversion_core.files.trajectory_file import require_same_model
from ...inversion_core.fingerprint import without_hooks
from ..sockets import Frame, LatentTrajectory
from .checks import check_finite, counted


def check_model(record: LatentTrajectory, model: Any, source: Any, what: str = "trajectory") -> str:
    """The model's identity. Raises StorageError if the trajectory was made with other weights, or under other hooks of its prompt.

    Where the prompt `source` is None, hooks are not asked about.
    """
    known, made = identity_of(model, source), record.trajectory.provenance
    if source is None:
        made = replace(made, model=without_hooks(made.model))
    require_same_model(made, known, what)
    return known


def check_unconditional(model: Any, method: str, *, few_steps: bool = False) -> None:
    """Raises ValueError if the model has no unconditional branch, on which `method` works, or has forgotten it with its `few_steps`."""
    if few_steps:
        raise ValueError(
            f"{method} changes the unconditional branch of guidance, which a few-step model should not run. Choose another method, "
            "such as 'direct', or settings other than 'few-step model'."
        )
    if is_guidance_distilled(model):
        raise ValueError(
            f"{method} changes the unconditional branch of guidance, which this model does not have: guidance was distilled into the "
            "model as a number that comes with the prompt (FluxGuidance). Use direct inversion instead: anchor 'direct' in "
            "Inversion Edit Sampler, at guidance 1."
        )


def padded(pixels: Tensor, height: int, width: int) -> Tensor:
    """Pictures `[batch, height, width, ...]` continued to the right and the bottom by reflection."""
    more = [(0, 0), (0, height - pixels.shape[1]), (0, width - pixels.shape[2]), *[(0, 0)] * (pixels.ndim - 3)]
    return torch.from_numpy(np.pad(pixels.cpu().numpy(), more, mode="reflect"))


def resized(pixels: Tensor, height: int, width: int) -> Tensor:
    """Pictures `[batch, height, width, channels]` in another size, without moire where they shrink."""
    if tuple(pixels.shape[1:3]) == (height, width):
        return pixels
    planes = interpolate(pixels.movedim(-1, 1), (height, width), mode="bicubic", antialias=True)
    return planes.clamp(0, 1).movedim(1, -1)


def held(frames: Tensor, count: int) -> Tensor:
    """A clip `[frames, ...]` continued to so many by repeating its last frame."""
    return torch.cat([frames, frames[-1:].expand(count - len(frames), *frames.shape[1:])])


def blend_mask(mask: Tensor, frame: Frame | None, batch: int | None = None) -> Tensor:
    """A MASK `[batch, height, width]` as `[batch, 1, height, width]` of the padded picture, one for each frame of a padded clip. Raises ValueError if it does not fit."""
    mask = mask if mask.ndim == 3 else mask.reshape(-1, *mask.shape[-2:])
    check_finite("The mask", mask)
    if batch is not None and len(mask) not in (1, batch):
        raise ValueError(
            f"There are {len(mask)} masks for {counted(batch, 'image')}. Connect one mask for all, or one per image."
        )
    if frame is not None and tuple(mask.shape[1:]) != (frame.height, frame.width):
        raise ValueError(
            f"The mask is {mask.shape[2]} x {mask.shape[1]}, but the image is {frame.width} x {frame.height}. Paint the mask at the "
            "size of the image, or resize the mask."
        )
    if frame is not None:
        mask = padded(mask, frame.padded_height, frame.padded_width)
        if len(mask) > 1 and len(mask) == frame.frames:
            mask = held(mask, frame.padded_frames)
    return mask.clamp(0, 1)[:, None].float()


def latent_mask(mask: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Masks `[n, 1, height, width]` for latents of `shape`: one, one for each picture, or one for each frame of a latent video.

    A video's masks may be one for each of its pictures: a frame of the latent then has the union of those that it stands
    for, the first of one, the others of equally many. Raises ValueError if there are other numbers of masks.
    """
    batch, frames = shape[0], shape[2] if len(shape) == 5 else 1
    if len(mask) in (1, batch, batch * frames):
        return mask
    if len(shape) == 5 and batch == 1 and len(mask) > frames:
        groups = [mask[:1], *mask[1:].tensor_split(frames - 1)] if frames > 1 else [mask]
        return torch.cat([group.amax(0, keepdim=True) for group in groups])
    what = counted(batch, "image") if len(shape) < 5 else f"{batch} videos of {frames} frames in the latent"
    raise ValueError(f"There are {len(mask)} masks for {what}. Connect one mask for all, or one for each.")


def latent_mask_for(mask: Tensor, record: LatentTrajectory) -> Tensor:
    """A MASK for the latents of a trajectory. Raises ValueError if it is of another size or number."""
    return latent_mask(blend_mask(mask, record.frame), record.trajectory.shape)
