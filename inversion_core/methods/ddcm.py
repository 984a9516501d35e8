"""The denoising diffusion consistent model, the sampler of InfEdit (arXiv:2312.04965)."""

from ..loops.delta import Pair
from ..shapes import Latent, Sigma
from .editor import Editor, edit_freely
from .published import Settings


def ddcm(pair: Pair, z: Latent, sigma: Sigma, sigma_next: Sigma) -> Latent:
    """A rule (`delta.Rule`): `x0 + D_target(alpha z + sigma n) - D_source(alpha x0 + sigma n)` (arXiv:2312.04965).

    Both states are noised anew at every step by one and the same n, eta 1 of the published code; the first one is the
    picture's, where its benchmark lets both branches start from noise alone. Two evaluations a step, guided four. On both
    paths, and the same on both to rounding.
    """
    noise = pair.draw()
    x_target, x_source = (pair.path.add_noise(x, noise, sigma) for x in (z, pair.x0))
    return pair.x0 + pair.change(x_target, x_source, sigma)


EDITOR = Editor(
    "DDCM",
    lambda job, _: edit_freely(job, ddcm),
    about="adds the difference between the clean predictions at every noise level, without inversion (InfEdit's sampler)",
    # Published code, on a consistency model of SD1; those on `rf` are the toybox's.
    settings=dict.fromkeys(("ve", "rf"), Settings(2.3, 1.0, 1.0, 12)),
)
