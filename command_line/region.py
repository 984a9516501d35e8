"""The region of an edit, found from its two descriptions."""

from torch.nn.functional import max_pool2d

from ..inversion_core.attention.local_blend import LatentMask
from ..inversion_core.backends.diffusers_studio import Studio
from ..inversion_core.methods.diff_edit import diff_edit_mask
from ..inversion_core.trajectory import Trajectory
from ..inversion_core.types import Cond

GROWN = 1
"""Latent pixels by which the region is widened: on toybox edits it then covered all that truly changes."""


def found_region(studio: Studio, trajectory: Trajectory, source: str, target: str) -> LatentMask:
    """1 where the prompts make the network see something else in the picture (DiffEdit, arXiv:2210.11427), widened; of the latent's size."""
    half = trajectory.sigmas[trajectory.steps // 2]
    ours, theirs = (Cond(studio.encode_prompt(text)) for text in (source, target))
    mask = diff_edit_mask(studio.denoiser, trajectory.xs[-1], half, ours, theirs)
    return max_pool2d(mask, 2 * GROWN + 1, stride=1, padding=GROWN)
