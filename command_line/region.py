"""The region of an edit, found from its two descriptions."""

from ..inversion_core.applications.diff_edit import LEVEL, diff_edit_mask, widened
from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.techniques.local_blend import LatentMask
from ..inversion_core.trajectory import Trajectory
from ..inversion_core.types import Cond
from .errors import Mistake


def found_region(studio: Studio, trajectory: Trajectory, source: str, target: str) -> LatentMask:
    """1 where the prompts make the network see something else in the picture (DiffEdit, arXiv:2210.11427), widened; of the latent's size. Raises Mistake if that is nowhere."""
    sigma = trajectory.sigmas[int(LEVEL * trajectory.steps)]
    ours, theirs = (Cond(studio.encode_prompt(text)) for text in (source, target))
    mask = widened(diff_edit_mask(studio.denoiser, trajectory.xs[-1], sigma, ours, theirs))
    if not bool(mask.any()):
        raise Mistake(
            "The prompts differ nowhere in the image, so --find-region finds no region. Change words of --target."
        )
    return mask
