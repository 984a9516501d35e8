"""What the frames of a clip must be and which masks are theirs, and the sentence that each mistake gets."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from ...inversion_core.applications.video import WAYS
from ...inversion_core.backends.comfy.attention import is_unet
from ...inversion_core.loops.clip import Window
from ..sockets import LatentTrajectory


def mistaken_windows(spacing: int | None, window: int | None, most: int) -> str:
    """The sentence about windows of a clip that are too small or out of range; None is a linked number, and not judged."""
    if not all(1 <= number <= most for number in (spacing, window) if number is not None):
        return f"'spacing' and 'window' must be numbers of frames from 1 to {most}; got {spacing} and {window}."
    if spacing is not None and window is not None and window < spacing + 2:
        return (
            f"A window of {window} frames does not reach from one key frame to the next ({spacing} frames on). Set 'window' to "
            f"{spacing + 2} or more, or lower 'spacing'."
        )
    return ""


def check_frames(shape: tuple[int, ...], prompts: dict[str, Any]) -> None:
    """Raises ValueError if the frames are not rows of the batch, or a prompt has a row for each."""
    if len(shape) > 4 and shape[2] > 1:
        raise ValueError(
            "This trajectory is of a video model, whose latent holds all frames. Edit it with Inversion Edit Sampler."
        )
    for name, prompt in prompts.items():
        if rows := [len(entry[0]) for entry in prompt or () if len(entry[0]) != 1]:
            raise ValueError(
                f"A clip takes one prompt for all its frames, but '{name}' is a batch of {rows[0]}. Connect a single prompt."
            )


def check_way(model: Any, way: str) -> None:
    """Raises ValueError if the way joins frames by attention of frames alone, which transformers of joint attention have not."""
    if WAYS[way].techniques([0]) and not is_unet(model.model.diffusion_model):
        raise ValueError(
            f"The way '{way}' joins frames through the self-attention of a UNet (Stable Diffusion 1, 2, XL), which this model does "
            "not have. Choose the way 'each frame'."
        )


def of_frames(mask: Tensor | None, window: Window) -> Tensor | None:
    """A window's masks; one mask is for all frames."""
    return mask if mask is None or mask.ndim < 3 or len(mask) == 1 else mask[list(window.frames)]


def of_window(record: LatentTrajectory, window: Window) -> LatentTrajectory:
    """The frames of a window."""
    return replace(record, trajectory=record.trajectory.rows(window.frames), mask=of_frames(record.mask, window))
