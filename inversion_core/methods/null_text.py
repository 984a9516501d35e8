"""Null-text inversion (arXiv:2211.09794): unconditional embeddings optimised so that guided sampling follows a trajectory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..loops.integrate import check_usable, working
from ..paths import velocity
from ..progress import OnStep, Progress
from ..shapes import Embedding, Latent, Sigma
from ..trajectory import NullText, Provenance, Trajectory
from ..types import Cond, EditableDenoiser, require_unconditional

GUIDANCE = 7.5
INNER_STEPS = 10
EARLY_STOP = 1e-5
LEARNING_RATE = 1e-2
PUBLISHED_STEPS = 50
"""Published settings: guidance 7.5, 10 Adam steps of rate 1e-2 (1 - i / 100), stop below 1e-5 + 2e-5 i, in 50 steps or fewer
(arXiv:2211.09794, sec. 4, and its code); in more, i is counted in fiftieths of the way."""


def optimize_null_text(
    trajectory: Trajectory,
    denoiser: EditableDenoiser,
    cond: Cond,
    *,
    inner_steps: int = INNER_STEPS,
    early_stop: float = EARLY_STOP,
    learning_rate: float = LEARNING_RATE,
    provenance: Provenance | None = None,
    on_step: OnStep | None = None,
) -> NullText:
    """One unconditional embedding per step, each started from the one before, that leads guided DDIM along `trajectory`.

    Minimises `mean((x_next(phi) - x*_next)^2) / (1 + sigma_next^2)` per picture (the loss of the VP latents; arXiv:2211.09794,
    eq. 3) and keeps the best embedding seen, so no step ends worse than it began. `on_step` is called after every inner
    step. Raises ValueError unless the trajectory is replayed by `euler`, `cond` is guided and `inner_steps` is not negative.
    """
    _check(trajectory, denoiser, cond, inner_steps)
    done: list[_Tried] = []
    total = trajectory.steps * (inner_steps + 1)
    with denoiser.differentiable() as network:
        x = working(trajectory.xs[0], denoiser).clone()
        best = network.embedding(cond.uncond).to(x).expand(len(x), -1, -1).clone()
        for index in range(trajectory.steps):
            step = _guided_step(trajectory, network, cond, index, x)
            level = index * PUBLISHED_STEPS / max(PUBLISHED_STEPS, trajectory.steps)
            rate, stop = learning_rate * (1 - level / 100), early_stop * (1 + 2 * level)
            for tried in _descend(step, best, inner_steps, rate, stop):
                if on_step is not None:
                    place, sigma_next = index * (inner_steps + 1) + tried.evaluations - 1, float(step.sigma_next)
                    found = Progress("null-text", place, total, sigma_next, tried.x, tried.x0, tries=inner_steps + 1)
                    on_step(replace(found, source=trajectory.xs[-1]))
            x, best = tried.x, tried.embedding
            done.append(tried)
    return NullText(
        sigmas=trajectory.sigmas,
        embeddings=tuple(tried.embedding.cpu() for tried in done),
        first=tuple(tried.first for tried in done),
        last=tuple(tried.last for tried in done),
        evaluations=sum(tried.evaluations + 1 for tried in done),
        provenance=replace(provenance or Provenance(method="null-text"), guidance=cond.guidance),
    )


def _check(trajectory: Trajectory, denoiser: EditableDenoiser, cond: Cond, inner_steps: int) -> None:
    check_usable(trajectory, denoiser)
    require_unconditional(denoiser, "Null-text")
    if trajectory.solver != "euler":
        raise ValueError(
            f"Null-text works on DDIM trajectories (solver 'euler'), but this trajectory is replayed by '{trajectory.solver}'. "
            "Invert the image with the method 'ddim'."
        )
    if not cond.guided or inner_steps < 0:
        raise ValueError(
            f"Null-text needs a guidance other than 1 and 0 or more inner steps; got {cond.guidance} and {inner_steps}."
        )


@dataclass(frozen=True)
class _GuidedStep:
    """One guided DDIM step as a function of the unconditional embedding; the conditional prediction is made once."""

    network: EditableDenoiser
    cond: Cond
    x: Latent
    sigma: Sigma
    sigma_next: Sigma
    goal: Latent
    clean: Latent

    def __call__(self, embedding: Embedding) -> tuple[Latent, Latent]:
        uncond = self.network.with_embedding(self.cond.uncond, embedding)
        x0 = self.network(self.x, self.sigma, Cond(uncond))
        x0 = x0 + self.cond.guidance * (self.clean - x0)
        return self.x + (self.sigma_next - self.sigma) * velocity(self.x, x0, self.sigma), x0

    def losses(self, x_next: Latent) -> Tensor:
        """The summed squared error of each picture, in units of the network's input."""
        return (x_next - self.goal).square().flatten(1).sum(1) / self.network.path.input_scale(self.sigma_next) ** 2


@dataclass(frozen=True)
class _Tried:
    """The best embedding so far, where it leads, and the mean losses at the start and now."""

    embedding: Embedding
    x: Latent
    x0: Latent
    first: float
    last: float
    evaluations: int


def _guided_step(trajectory: Trajectory, network: EditableDenoiser, cond: Cond, index: int, x: Latent) -> _GuidedStep:
    sigmas = trajectory.sigmas.clone()
    goal = trajectory.xs[index + 1].to(x).clone()
    with torch.no_grad():
        clean = network(x, sigmas[index], cond.alone())
    return _GuidedStep(network, cond, x, sigmas[index], sigmas[index + 1], goal, clean)


def _descend(step: _GuidedStep, start: Embedding, inner_steps: int, rate: float, stop: float) -> Iterator[_Tried]:
    """Adam on the embedding of each picture until its loss is below `stop`; yields the best so far after each evaluation."""
    embedding = start.clone().requires_grad_(True)
    adam = torch.optim.Adam([embedding], lr=rate)
    size = step.x[0].numel()
    best: list[Tensor] | None = None
    first, open_rows = 0.0, torch.ones(len(step.x), dtype=torch.bool, device=step.x.device)
    for count in range(1, inner_steps + 2):
        with torch.set_grad_enabled(count <= inner_steps):
            x_next, x0 = step(embedding)
            losses = step.losses(x_next)
        now = (embedding, x_next, x0, losses / size)
        best = [t.detach().clone() for t in now] if best is None else _better(open_rows, now, best)
        first = first if count > 1 else float(best[3].mean())
        yield _Tried(best[0], best[1], best[2], first, float(best[3].mean()), count)
        open_rows = open_rows & (losses.detach() / size >= stop)
        if count > inner_steps or not bool(open_rows.any()):
            return
        embedding.grad = torch.autograd.grad(losses.sum(), embedding)[0] / size
        adam.step()


def _better(open_rows: Tensor, now: Sequence[Tensor], best: Sequence[Tensor]) -> list[Tensor]:
    """`now` in the rows that are still open and have a lower loss (the last tensor), else `best`."""
    better = open_rows & (now[-1].detach() < best[-1])
    rows = [better.view(-1, *[1] * (old.ndim - 1)) for old in best]
    return [torch.where(row, new.detach(), old) for row, new, old in zip(rows, now, best, strict=True)]
