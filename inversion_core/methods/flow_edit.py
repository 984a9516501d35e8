"""FlowEdit (arXiv:2412.08629): the straight way from the picture to its edit, without inversion."""

import torch

from ..loops.delta import Pair, Rule
from ..paths import velocity
from ..shapes import Latent, Sigma
from .editor import Editor, edit_freely
from .published import Settings


def flow_edit(*, noisings: int = 1) -> Rule:
    """A rule (`delta.Rule`) that follows the difference of the two velocities (arXiv:2412.08629, alg. 1).

    `x_s = alpha x0 + sigma n; x_t = z + x_s - x0; z + (sigma_next - sigma) mean(v_target(x_t) - v_source(x_s))`, over
    `noisings` fresh draws of n (the paper's n_avg). Two evaluations a draw, guided four. One step to 0 leads to
    `x0 + D_target - D_source`. On both paths, and the same on both: with `z_ve - x0 = (z_rf - x0) / alpha_rf` the steps
    agree to rounding. Raises ValueError if `noisings` is below 1.
    """
    if noisings < 1:
        raise ValueError(f"FlowEdit averages over 1 or more noisings; got {noisings}.")

    def rule(pair: Pair, z: Latent, sigma: Sigma, sigma_next: Sigma) -> Latent:
        gap, total = z - pair.x0, torch.zeros_like(z)
        for _ in range(noisings):
            x_source = pair.path.add_noise(pair.x0, pair.draw(), sigma)
            total = total + pair.change(x_source + gap, x_source, sigma)
        # v_t(x_t) - v_s(x_s) = (x_t - D_t - (x_s - D_s)) / sigma = (gap - (D_t - D_s)) / sigma
        return z + (sigma_next - sigma) * velocity(gap, total / noisings, sigma)

    return rule


EDITOR = Editor(
    "FlowEdit",
    lambda job, _: edit_freely(job, flow_edit()),
    about="follows the difference between the velocities of two coupled noisings, without inversion",
    settings={
        "ve": Settings(guidance=7.5, source_guidance=1.5, strength=0.8, steps=28),  # the toybox's
        "rf": Settings(guidance=13.5, source_guidance=3.5, strength=33 / 50, steps=50),  # published code, on SD3
        "distilled": Settings(guidance=5.5, source_guidance=1.5, strength=24 / 28, steps=28),  # published code, on Flux
    },
)
