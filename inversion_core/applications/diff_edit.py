"""DiffEdit's mask (arXiv:2210.11427): where two prompts disagree about a picture."""

import torch
from torch.nn.functional import max_pool2d

from ..loops.delta import Pair
from ..loops.integrate import working
from ..progress import OnStep, Progress
from ..shapes import Latent, LatentMask, Sigma
from ..types import Bound, Cond, EditableDenoiser

# arXiv:2210.11427; the clamp is published code's.
NOISINGS = 10  # that are averaged
CLAMP = 3.0  # the multiple of its mean at which the map is cut off
THRESHOLD = 0.5  # the share of the clamp that counts as changed

# On toybox edits the mask then covered all that truly changes.
LEVEL = 0.5  # where in the grid to noise to, as in the paper
GROWN = 1  # latent pixels by which the mask is widened


def diff_edit_mask(
    denoiser: EditableDenoiser,
    x0: Latent,
    sigma: Sigma,
    source: Cond,
    target: Cond,
    *,
    noisings: int = NOISINGS,
    threshold: float = THRESHOLD,
    generator: torch.Generator | None = None,
    on_step: OnStep | None = None,
) -> LatentMask:
    """1 where the prompts' clean predictions differ, else 0: for `local_blend.mask_blend`; frames side by side in the batch.

    `mean |D_target(x) - D_source(x)|` over channels and noisings x of the picture at `sigma`, divided by `CLAMP` times its
    mean over the picture, at least `threshold`; 0 everywhere where the prompts agree. Guidance cancels out and is not
    used: two evaluations a noising. Raises ValueError if `noisings` is below 1.
    """
    if noisings < 1:
        raise ValueError(f"DiffEdit's mask averages over 1 or more noisings; got {noisings}.")
    x0, generator = working(x0, denoiser), generator or torch.Generator().manual_seed(0)
    pair = Pair(denoiser, x0, Bound(denoiser, source.alone()), Bound(denoiser, target.alone()), generator)
    changes = []
    for index in range(noisings):
        x = pair.path.add_noise(x0, pair.draw(), sigma)
        before, after = pair.source(x, sigma), pair.target(x, sigma)
        changes.append((after - before).abs().mean(1, keepdim=True))
        if on_step is not None:
            on_step(Progress("mask", index, noisings, float(sigma), x, after, source=before))
    change = torch.stack(changes).mean(0)
    level = CLAMP * threshold * change.flatten(1).mean(1).view(-1, *[1] * (change.ndim - 1))
    mask = ((change >= level) & (change > 0)).to(change)
    return mask if mask.ndim == 4 else mask.movedim(1, 2).flatten(0, 1)


def widened(mask: LatentMask, places: int = GROWN) -> LatentMask:
    """The mask with each place's largest value among those so near."""
    return max_pool2d(mask, 2 * places + 1, stride=1, padding=places)
