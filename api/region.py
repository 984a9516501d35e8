"""The region of an edit, found from its two descriptions."""

from ..inversion_core.applications.diff_edit import LEVEL, diff_edit_mask, widened
from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.shapes import Latent, LatentMask, Sigmas
from ..inversion_core.types import Cond
from ..pictures.errors import UserError


def find_region(studio: Studio, x0: Latent, sigmas: Sigmas, source: str, target: str) -> LatentMask:
    """1 where the prompts make the network see something else in the picture (DiffEdit, arXiv:2210.11427), widened; of the latent's size. Raises UserError if that is nowhere."""
    sigma = sigmas[int(LEVEL * (len(sigmas) - 1))]
    prompts = (Cond(studio.encode_prompt(text)) for text in (source, target))
    mask = widened(diff_edit_mask(studio.denoiser, x0, sigma, *prompts))
    if not bool(mask.any()):
        raise UserError(
            "The prompts differ nowhere in the image, so `find_region` finds no region. Change words of `target`."
        )
    return mask
