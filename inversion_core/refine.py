"""The autoencoder's own loss, removed: the latent whose decoding is nearest to the picture."""

from collections.abc import Callable

import torch

from .shapes import Latent, Picture

STEPS = 100
RATE = 0.1
WARM_UP = 10
"""Adam of rate 0.1 for 100 steps, a warm-up of 10 and a cosine fall (arXiv:2311.18387, published code)."""


def refine(
    decode: Callable[[Latent], Picture],
    x0: Latent,
    picture: Picture,
    *,
    steps: int = STEPS,
    rate: float = RATE,
    on_step: Callable[[int, Latent], None] | None = None,
) -> Latent:
    """`argmin_z mean((decode(z) - picture)^2)` from `x0` on, picture by picture the best seen (arXiv:2311.18387, sec. 4.3).

    It raises the ceiling of every reconstruction, the encoding's own; `decode` must pass gradients on and not clamp.
    `on_step` gets the step and the best latent so far. Raises ValueError if `steps` is negative.
    """
    if steps < 0:
        raise ValueError(f"The number of refining steps must be 0 or more; got {steps}.")
    z = x0.detach().clone().requires_grad_(True)
    adam = torch.optim.Adam([z], lr=rate)
    warm = torch.optim.lr_scheduler.LinearLR(adam, 1 / WARM_UP, total_iters=WARM_UP)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(steps, 1))
    best, least = x0.detach().clone(), torch.full((len(x0),), float("inf"), device=x0.device)
    for index in range(steps + 1):
        with torch.set_grad_enabled(index < steps):
            losses = (decode(z) - picture.to(z)).square().flatten(1).mean(1)
        better = losses.detach() < least
        least = torch.where(better, losses.detach(), least)
        best = torch.where(better.view(-1, *[1] * (z.ndim - 1)), z.detach(), best)
        if on_step is not None:
            on_step(index, best)
        if index < steps:
            z.grad = torch.autograd.grad(losses.sum(), z)[0]
            adam.step()
            warm.step()
            fall.step()
    return best
