"""Null-text inversion (arXiv:2211.09794): unconditional embeddings optimised so that guided sampling follows a trajectory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ..loops.edit import Edited
from ..loops.integrate import check_usable, working
from ..paths import velocity
from ..progress import OnStep, Progress, within
from ..shapes import Embedding, Latent, Sigma
from ..trajectory import NullText, Provenance, Trajectory
from ..types import Cond, EditableDenoiser, require_unconditional
from .editor import EditJob, Editor, edit_along

# arXiv:2211.09794, sec. 4, and its code, for 50 steps or fewer; in more, i is counted in fiftieths of the way.
GUIDANCE = 7.5
INNER_STEPS = 10  # of Adam
EARLY_STOP = 1e-5  # + 2e-5 i
LEARNING_RATE = 1e-2  # times 1 - i / 100
PUBLISHED_STEPS = 50
OPTIMISING = 0.9  # roughly, the share of an edit with null-text that its optimisation takes


@dataclass(frozen=True)
class _GuidedStep:
    """One guided DDIM step as a function of the unconditional embedding; the conditional prediction is made once."""

    network: EditableDenoiser
    cond: Cond
    x: Latent
    sigma: Sigma
    sigma_next: Sigma
    goal: Latent
    conditional: Latent

    def __call__(self, embedding: Embedding) -> tuple[Latent, Latent]:
        """Where the step leads, and the clean prediction in it."""
        x0 = self.network(self.x, self.sigma, Cond(self.network.with_embedding(self.cond.uncond, embedding)))
        x0 = x0 + self.cond.guidance * (self.conditional - x0)
        return self.x + (self.sigma_next - self.sigma) * velocity(self.x, x0, self.sigma), x0

    def losses(self, x_next: Latent) -> Tensor:
        """The summed squared error of each picture, in units of the network's input."""
        return (x_next - self.goal).square().flatten(1).sum(1) / self.network.path.input_scale(self.sigma_next) ** 2


@dataclass(frozen=True)
class _Best:
    """The best embedding of a descent so far, where it leads, and the mean losses at the start and now."""

    embedding: Embedding
    x: Latent
    x0: Latent
    loss_before: float
    loss_after: float
    evaluations: int


def _descend(
    step: _GuidedStep, start: Embedding, inner_steps: int, rate: float, stop: float, on_try: Callable[[_Best], None]
) -> _Best:
    """Adam on the embedding of each picture until its loss is below `stop`; `on_try` is called after each evaluation."""
    embedding, size = start.clone().requires_grad_(True), step.x[0].numel()
    adam = torch.optim.Adam([embedding], lr=rate)
    open_rows = torch.ones(len(step.x), dtype=torch.bool, device=step.x.device)
    loss_before, best = 0.0, list[Tensor]()
    for count in range(1, inner_steps + 2):
        with torch.set_grad_enabled(count <= inner_steps):
            x_next, x0 = step(embedding)
            losses = step.losses(x_next)
        tried = (embedding, x_next, x0, losses / size)
        best = _better(open_rows, tried, best) if best else [t.detach().clone() for t in tried]
        loss_after = float(best[3].mean())
        loss_before = loss_after if count == 1 else loss_before
        result = _Best(best[0], best[1], best[2], loss_before, loss_after, count)
        on_try(result)
        open_rows = open_rows & (losses.detach() / size >= stop)
        if count > inner_steps or not bool(open_rows.any()):
            break
        embedding.grad = torch.autograd.grad(losses.sum(), embedding)[0] / size
        adam.step()
    return result


def _better(open_rows: Tensor, tried: Sequence[Tensor], best: Sequence[Tensor]) -> list[Tensor]:
    """`tried` in the rows that are still open and have a lower loss (the last tensor), else `best`."""
    better = open_rows & (tried[-1].detach() < best[-1])
    rows = [better.view(-1, *[1] * (old.ndim - 1)) for old in best]
    return [torch.where(row, new.detach(), old) for row, new, old in zip(rows, tried, best, strict=True)]


def optimize_null_text(
    trajectory: Trajectory,
    denoiser: EditableDenoiser,
    cond: Cond,
    *,
    inner_steps: int = INNER_STEPS,
    early_stop: float = EARLY_STOP,
    provenance: Provenance | None = None,
    on_step: OnStep | None = None,
) -> NullText:
    """One unconditional embedding per step, each started from the one before, that leads guided DDIM along `trajectory`.

    Minimises `mean((x_next(phi) - x*_next)^2) / (1 + sigma_next^2)` per picture (the loss of the VP latents; arXiv:2211.09794,
    eq. 3) and keeps the best embedding seen, so no step ends worse than it began. `on_step` is called after every inner
    step. Raises ValueError unless the trajectory is replayed by `euler`, `cond` is guided and `inner_steps` is not negative.
    """
    _check(trajectory, denoiser, cond, inner_steps)
    descents: list[_Best] = []
    with denoiser.differentiable() as network:
        x, sigmas = working(trajectory.xs[0], denoiser).clone(), trajectory.sigmas.clone()
        embedding = network.embedding(cond.uncond).to(x).expand(len(x), -1, -1).clone()
        for index in range(trajectory.steps):
            sigma, sigma_next, goal = sigmas[index], sigmas[index + 1], trajectory.xs[index + 1].to(x).clone()
            with torch.no_grad():
                conditional = network(x, sigma, cond.alone())
            step = _GuidedStep(network, cond, x, sigma, sigma_next, goal, conditional)
            level = index * PUBLISHED_STEPS / max(PUBLISHED_STEPS, trajectory.steps)
            rate, stop = LEARNING_RATE * (1 - level / 100), early_stop * (1 + 2 * level)
            on_try = partial(_report, on_step, trajectory, index, inner_steps + 1)
            descents.append(_descend(step, embedding, inner_steps, rate, stop, on_try))
            x, embedding = descents[-1].x, descents[-1].embedding
    return NullText(
        sigmas=trajectory.sigmas,
        embeddings=tuple(descent.embedding.cpu() for descent in descents),
        first=tuple(descent.loss_before for descent in descents),
        last=tuple(descent.loss_after for descent in descents),
        evaluations=sum(descent.evaluations + 1 for descent in descents),
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


def _report(on_step: OnStep | None, trajectory: Trajectory, index: int, tries: int, best: _Best) -> None:
    if on_step is None:
        return
    place, sigma_next = index * tries + best.evaluations - 1, float(trajectory.sigmas[index + 1])
    progress = Progress("null-text", place, trajectory.steps * tries, sigma_next, best.x, best.x0)
    on_step(replace(progress, source=trajectory.xs[-1], tries=tries))


def _edit(job: EditJob, trajectory: Trajectory) -> Edited:
    if job.null_text is not None:
        return edit_along(job, trajectory)
    on_step = within(job.on_step, 0.0, OPTIMISING)
    null_text = optimize_null_text(trajectory, job.denoiser, job.source, on_step=on_step)
    return edit_along(replace(job, null_text=null_text), trajectory, spent=OPTIMISING)


EDITOR = Editor(
    "null-text",
    _edit,
    inversion="ddim",
    uncond=True,
    own_negative=True,
    gradients=True,
    about="optimises the empty prompt; needs gradients",
)
