"""What an edit is held against: plain DDIM inversion, and image-to-image from every noise level."""

from collections.abc import Sequence

import torch

from latent_inversion.command_line.cases import World
from latent_inversion.command_line.editing import stacked
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.edit import Edit, Target
from latent_inversion.inversion_core.loops.integrate import integrate
from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.inversion_core.solvers import euler
from latent_inversion.inversion_core.types import Cond

STEPS, GUIDANCE = 20, 7.5
LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Strengths of image-to-image: shares of the steps that are sampled."""


def ddim(
    world: World,
    pictures: Picture,
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
) -> Picture:
    """Inverted at guidance 1 under the source's words, sampled under the target's at `guidance`."""
    studio = world.studio
    x0 = studio.encode_picture(pictures)
    source, target = (stacked(studio, texts) for texts in (sources, targets))
    trajectory = invert(INVERSIONS["ddim"], studio.denoiser, x0, studio.grid(steps, x0), Cond(source))
    blank = studio.encode_prompt("")
    guided = [Target(Cond(target, blank, guidance))]
    return studio.decode(Edit(trajectory, studio.denoiser, Cond(source), guided).run()[0].target)


def image_to_image(
    world: World,
    pictures: Picture,
    targets: Sequence[str],
    level: float,
    *,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
    seed: int = 0,
) -> Picture:
    """Noise of the `level`-th share of the steps added to the picture, and sampled under the target's words (arXiv:2108.01073)."""
    studio = world.studio
    x0 = studio.encode_picture(pictures)
    sigmas = studio.grid(steps, x0)
    start = min(round((1 - level) * steps), steps - 1)
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(seed))
    x = studio.denoiser.path.add_noise(x0, noise, sigmas[start])
    cond = Cond(stacked(studio, targets), studio.encode_prompt(""), guidance)
    return studio.decode(integrate(euler, studio.denoiser, x, sigmas[start:], cond).xs[-1])
