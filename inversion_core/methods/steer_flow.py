"""SteerFlow (arXiv:2604.01715): the trajectory's own velocity, steered towards the target's where the two differ."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity, max_pool2d

from ..loops.direct import direct
from ..paths import velocity
from ..shapes import Latent, Sigma
from ..trajectory import Trajectory
from ..types import Bound, Cond, EditableDenoiser, State, Step
from .editor import Editor, edit_along
from .published import Settings

# github.com/thinh-dao/SteerFlow.
DECAY = 5.0  # exponent of the noise level (README; its code has 5.5 for SD3 and 4.5 for Flux)
SHARPNESS = 15.0  # of the mask's sigmoid
QUANTILE = 0.95  # of the velocities' differences, at which the mask is full
CLOSED = 2  # places to each side over which the mask's gaps are closed
EPSILON = 1e-8  # keeps the mask finite where the velocities differ equally everywhere


def steer_flow(trajectory: Trajectory, denoiser: EditableDenoiser) -> Step:
    """A step for the target (arXiv:2604.01715, published code for SD3); it calls `denoiser`, without attention edits, unguided.

    `x' = x + h (v_s + m k (v_t - v_s))` with v_s the trajectory's velocity, `(x_s' - x_s) / h`, so the source is not asked,
    `k = (1 - t'^DECAY) cos(v_t, v_s)` over the whole picture, t' the share of the noise at the next level, and m
    `difference_mask` of the target's conditional velocity and v_s. Published on rectified flow. Where m or k is 0 it
    follows the trajectory exactly.
    """
    moves = trajectory.moves

    def step(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
        cond, length = denoise.cond, sigma_next - sigma
        before, after = (latent.to(x) for latent in moves[float(sigma)])
        source = (after - before) / length
        conditional = clean = denoise.denoiser(x, sigma, cond.alone())
        if cond.guided:
            unguided = denoiser(x, sigma, Cond(cond.uncond))
            clean = unguided + cond.guidance * (conditional - unguided)
        target = velocity(x, clean, sigma)
        mask = difference_mask(velocity(x, conditional, sigma) - source)
        noise_next = sigma_next / (sigma_next + denoise.path.alpha(sigma_next))
        agreement = cosine_similarity(target.flatten(1), source.flatten(1)).view(-1, *[1] * (x.ndim - 1))
        return x + length * (source + mask * (1 - noise_next**DECAY) * agreement * (target - source)), state

    return step


def difference_mask(difference: Latent) -> Float[Tensor, "batch 1 *space"]:
    """`sigmoid(SHARPNESS (n - 1/2))`, n the norm of the channels brought to 0..1 between its `1 - QUANTILE` and `QUANTILE`.

    Of each picture by itself, and closed: the largest value within `CLOSED` places, then the least of those.
    """
    norm = difference.norm(dim=1, keepdim=True)
    low, high = (
        norm.flatten(1).quantile(share, 1).view(-1, *[1] * (norm.ndim - 1)) for share in (1 - QUANTILE, QUANTILE)
    )
    mask = torch.sigmoid(SHARPNESS * ((norm - low) / (high - low + EPSILON) - 0.5)).flatten(0, -3)
    for sign in (1, -1):
        mask = sign * max_pool2d(sign * mask, 2 * CLOSED + 1, 1, CLOSED)
    return mask.view_as(norm)


EDITOR = Editor(
    "SteerFlow",
    lambda job, trajectory: edit_along(job, trajectory, step=steer_flow(trajectory, job.denoiser), anchor=direct),
    inversion="Uni-Inv",
    about="follows a stored path, and turns to the target where the two differ",
    settings={
        "ve": Settings(6.5, 1.0, 1.0, 30),  # the toybox's
        "rf": Settings(6.5, 1.0, 1.0, 30),  # published code, on SD3
        "distilled": Settings(3.5, 1.0, 1.0, 15),  # published code, on Flux
    },
)
