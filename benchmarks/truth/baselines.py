"""What an edit is held against: plain DDIM inversion, and image-to-image from every noise level."""

from collections.abc import Sequence

import torch

from latent_inversion.command_line.cases import World
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.edit import Edit as Along
from latent_inversion.inversion_core.loops.edit import Target
from latent_inversion.inversion_core.loops.integrate import integrate
from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.inversion_core.solvers import euler
from latent_inversion.inversion_core.types import Cond
from latent_inversion.toybox.world import Edit, render

LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Strengths of image-to-image: shares of the steps that are sampled."""
UPPER_LEVELS = LEVELS[2:]
"""Those where less noise changes too little."""


def ddim(
    world: World, edits: Sequence[Edit], targets: Sequence[str] | None = None, *, steps: int, guidance: float
) -> Picture:
    """Inverted at guidance 1 under the source's caption, sampled under the target's, or other words, at `guidance`."""
    studio = world.studio
    x0 = studio.encode_picture(render([edit.source for edit in edits]))
    source = studio.encode_prompts([edit.source_caption for edit in edits])
    target = studio.encode_prompts(targets or [edit.target_caption for edit in edits])
    trajectory = invert(INVERSIONS["ddim"], studio.denoiser, x0, studio.grid(steps, x0), Cond(source))
    blank = studio.encode_prompt("")
    guided = [Target(Cond(target, blank, guidance))]
    return studio.decode(Along(trajectory, studio.denoiser, Cond(source), guided).run()[0].target)


def image_to_image(world: World, edits: Sequence[Edit], *, level: float, steps: int, guidance: float) -> Picture:
    """Noise of the `level`-th share of the steps added to the picture, and sampled under the target's caption (arXiv:2108.01073)."""
    studio = world.studio
    x0 = studio.encode_picture(render([edit.source for edit in edits]))
    sigmas = studio.grid(steps, x0)
    start = min(round((1 - level) * steps), steps - 1)
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    x = studio.denoiser.path.add_noise(x0, noise, sigmas[start])
    cond = Cond(studio.encode_prompts([edit.target_caption for edit in edits]), studio.encode_prompt(""), guidance)
    return studio.decode(integrate(euler, studio.denoiser, x, sigmas[start:], cond).xs[-1])
