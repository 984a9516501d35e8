"""BDIA: DDIM steps towards the image and towards noise from the middle of two, averaged; exactly invertible."""

from ..paths import NoisePath
from ..shapes import Latent, Sigma
from ..types import Step
from .two_step import Neighbour, two_step

# github.com/guoqiang-zhang-x/BDIA, image-editing, which recommends 0.92 to 1.
GAMMA = 0.94  # with which the authors edit in 50 steps
GAMMA_LEAST = 0.9


def bdia(*, gamma: float = GAMMA) -> Step:
    """BDIA-DDIM, exact both ways: one evaluation, order 2 at gamma 1, else 1 (arXiv:2307.10829).

    In the latents `z = x / s` of a variance-preserving model, s the path's input scale,

        z_next = DDIM(z -> next) + gamma (z_before - DDIM(z -> before))

    towards the image, and the same with 1 / gamma towards noise, which inverts it. Rectified flow has s = 1. What damps
    a wrong start on the way down by gamma in every step magnifies it on the way up: at 0.94, 22 times in 50 steps. Raises
    ValueError unless 0.9 <= gamma <= 1.
    """
    if not GAMMA_LEAST <= gamma <= 1:
        raise ValueError(
            f"BDIA needs a gamma from {GAMMA_LEAST} to 1, as its inversion divides by gamma in every step; got {gamma}."
        )

    def rule(path: NoisePath, x: Latent, slope: Latent, sigma: Sigma, sigma_next: Sigma, before: Neighbour) -> Latent:
        weight = gamma if sigma_next < sigma else 1 / gamma
        scale = path.input_scale(sigma_next) / path.input_scale(before.sigma)
        missed = before.x - (x + (before.sigma - sigma) * slope)
        return x + (sigma_next - sigma) * slope + weight * scale * missed

    return two_step(rule)
