"""ChordEdit (arXiv:2602.19083): an edit in one step, along a chord between two noise levels, for distilled models."""

import torch

from ..loops.delta import Pair, Rule
from ..loops.edit import Edited
from ..shapes import Latent, Sigma, Sigmas
from .editor import EditJob, Editor, edit_freely
from .published import Settings

# Published code for SD-Turbo; times are shares of the noising time.
TIME = 0.9  # the chord's upper end
WINDOW = 0.15  # the chord's length
SCALE = 1.0  # the step's size
PROXIMAL = 0.3  # the time of the closing pass


def chord_edit(
    sigmas: Sigmas,
    *,
    time: float = TIME,
    window: float = WINDOW,
    scale: float = SCALE,
    proximal: float | None = PROXIMAL,
) -> tuple[Sigmas, Rule]:
    """A grid of one step and the rule (`delta.Rule`) for it (arXiv:2602.19083, sec. 4.2).

    With `R(t) = D_target(x_t) - D_source(x_t)`, x_t the picture at time t under one noise, the picture is moved by
    `scale (t R(t - window) + window R(t)) / (t + window)`: four evaluations, guided eight. Then, unless `proximal` is
    None, comes the target's clean prediction for the result noised to that time: one more, guided two; without it equal
    prompts give the picture back. Times are shares of the grid `sigmas`, which is to be even in the model's time steps.
    Raises ValueError unless they lie in 0..1.
    """
    if not all(0 <= t <= 1 for t in (time, window, proximal or 0)):
        raise ValueError(f"ChordEdit's times are shares between 0 and 1; got {time}, {window} and {proximal}.")
    inner, last = (_level(sigmas, max(time - window, 0)), None if proximal is None else min(proximal, time))

    def rule(pair: Pair, z: Latent, sigma: Sigma, sigma_next: Sigma) -> Latent:
        noise = pair.draw()
        far, near = (_change(pair, z, noise, s) for s in (sigma, inner))
        z = z + scale * (time * near + window * far) / max(time + window, torch.finfo(torch.float64).tiny)
        if last is None:
            return z
        close = _level(sigmas, last)
        return pair.denoiser(pair.path.add_noise(z, noise, close), close, pair.target.cond)

    return torch.stack([_level(sigmas, time), torch.zeros_like(inner)]), rule


def _change(pair: Pair, z: Latent, noise: Latent, sigma: Sigma) -> Latent:
    x = pair.path.add_noise(z, noise, sigma)
    return pair.change(x, x, sigma)


def _level(sigmas: Sigmas, time: float) -> Sigma:
    """The level of a decreasing grid at a share of its time, 1 at the top; never the last, which may be 0."""
    steps = len(sigmas) - 1
    return sigmas[min(round((1 - time) * steps), steps - 1)]


def _edit(job: EditJob, _: object) -> Edited:
    sigmas, rule = chord_edit(job.sigmas, time=job.strength)
    return edit_freely(job, rule, sigmas=sigmas)


EDITOR = Editor(
    "ChordEdit",
    _edit,
    about="one step along a chord between two noise levels, for models of one step",
    # Published code, for SD-Turbo, which is on `ve`; those on `rf` are the toybox's.
    settings=dict.fromkeys(("ve", "rf", "few-step ve", "few-step rf"), Settings(1.0, 1.0, TIME, 50)),
)
