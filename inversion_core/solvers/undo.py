"""The inverse of a one-step solver, found as a fixed point."""

from dataclasses import dataclass

import torch

from ..shapes import Latent, Sigma
from ..types import Bound, State, Step
from .ddim_inverse import ddim_inverse
from .fixed_point import WINDOW, Tried, Update, plain

TOLERANCE = 1e-6
ITERATIONS = 20  # FPI's (arXiv:2312.12540)


@dataclass(frozen=True)
class Undone:
    """How well one step was undone: the relative error it leaves, and whether that met the tolerance."""

    residual: float
    converged: bool


def undo(
    step: Step,
    *,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
    update: Update = plain,
    ended: Update | None = None,
) -> Step:
    """A step that solves `step(y, sigma_next -> sigma) = x` for `y`, the fixed point of `f(y) = y + x - step(y)` (arXiv:2309.04907, eq. 6).

    It starts from the published DDIM inversion, goes on as `update` says, stops when `|x - step(y)| / |x|` (root mean
    square, the worst picture of the batch) is within `tolerance`, and returns the best guess; the state says how good
    that is. After so many `iterations`, `ended` makes a last guess of the last ones. It contracts only where the step is
    short against the network's slope, which high guidance breaks. Raises ValueError if `tolerance` or `iterations` is
    not positive.
    """
    if tolerance <= 0 or iterations < 1:
        raise ValueError(
            f"undo needs a positive tolerance and at least one iteration; got {tolerance} and {iterations}."
        )

    def undone(denoise: Bound, x: Latent, sigma: Sigma, sigma_next: Sigma, state: State) -> tuple[Latent, State]:
        y, _ = ddim_inverse(denoise, x, sigma, sigma_next, None)
        best, residual, tried = y, float("inf"), list[Tried]()
        for rule in [*[update] * (iterations - 1), *([ended] if ended else []), None]:
            error = x - step(denoise, y, sigma_next, sigma, None)[0]
            size = _relative(error, x)
            if size < residual:
                best, residual = y, size
            if rule is None or residual <= tolerance or not torch.isfinite(error).all():
                break
            tried = [*tried, Tried(y, error)][-WINDOW:]
            y = rule(tried)
        return best, Undone(residual, residual <= tolerance)

    return undone


def _relative(error: Latent, x: Latent) -> float:
    axes = tuple(range(1, x.ndim))
    worst = error.square().mean(axes).sqrt() / x.square().mean(axes).sqrt().clamp(min=1e-12)
    return float(worst.max().nan_to_num(nan=float("inf")))
