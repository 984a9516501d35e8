"""The mean of SDE-DPM-Solver++(2M)'s step, LEDITS++'s sampler; the noise of the step comes from a trajectory's noise maps."""

from ..shapes import Latent, Sigma
from ..trajectory import Trajectory
from ..types import Bound, State
from .ddpm import mean
from .dpmpp_2m import Before, extrapolated


def sde_dpmpp_2m(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
    """DDPM's step with the clean prediction extrapolated as in DPM-Solver++(2M): one evaluation (arXiv:2211.01095, app. B.2).

    `x' = sigma'/sigma e^-h x + alpha' (1 - e^-2h) (D + h / (2 h_before) (D - D_before))` with h the step in lambda =
    log(alpha / sigma). The first step and the one to sigma 0 are DDPM's. Without the fresh noise it follows no solution of
    the ODE. Raises as `ddpm`.
    """
    clean = denoise(x, sigma)
    ahead = extrapolated(denoise.path, clean, sigma, sigma_next, state)
    return mean(denoise.path, x, ahead, sigma, sigma_next), Before(clean, sigma)


def clean_before(trajectory: Trajectory, start: int) -> State:
    """The opening: the clean prediction of the step to level `start`, which is kept as its partner; none at the noisiest.

    Raises ValueError if the trajectory has no partners.
    """
    if trajectory.partners is None:
        raise ValueError(
            "A trajectory of LEDITS++ keeps its clean predictions; this one has lost them. Invert the image again."
        )
    return Before(trajectory.partners[start], trajectory.sigmas[start - 1]) if start > 0 else None
