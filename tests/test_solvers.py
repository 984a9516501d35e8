"""Every solver's order, cost and way back, measured on a Gaussian mixture; the DDIM rules against their published form."""

import itertools
import math
from dataclasses import dataclass

import pytest
import torch

from harness.networks import Mixture
from harness.odes import PROMPT, end, grid, level, order, rms, start
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.integrate import integrate, replay
from latent_inversion.inversion_core.paths import RF, VE, velocity
from latent_inversion.inversion_core.quality.metrics import Count, Counted
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas
from latent_inversion.inversion_core.solvers import (
    SOLVERS,
    bdia,
    ddim_inverse,
    dpmpp_2m,
    edict,
    euler,
    fireflow,
    heun,
    midpoint,
    undo,
    uni_inv,
)
from latent_inversion.inversion_core.types import Bound, Cond


@dataclass(frozen=True)
class Promise:
    """`order` towards the image and, as `up`, towards noise (None: no order is promised); `evaluations` a step, and
    `first` more in the first one; `alone` says that a step needs nothing of the steps before."""

    order: float | None
    evaluations: int
    up: float | None = None
    first: int = 0
    alone: bool = True


SOLVER_TABLE = {
    "euler": Promise(1, 1, up=1),
    "heun": Promise(2, 2, up=2),
    "midpoint": Promise(2, 2, up=2),
    "fireflow": Promise(2, 1, up=2, first=1, alone=False),
    "dpmpp_2m": Promise(2, 1, up=2, alone=False),
    "ddpm": Promise(None, 1),
    "sde_dpmpp_2m": Promise(None, 1, alone=False),
    "edict": Promise(1, 2, alone=False),
    "bdia": Promise(None, 1, alone=False),
    "o-belm": Promise(2, 1, up=2, alone=False),
}
"""DDPM's step is the mean of a random one; of EDICT and BDIA below."""

UNMIXED, UNDAMPED = edict(mixing=1.0), bdia(gamma=1.0)
ORDERS = [
    *((name, SOLVERS[name].step, promise.order, False) for name, promise in SOLVER_TABLE.items() if promise.order),
    *((name, SOLVERS[name].step, promise.up, True) for name, promise in SOLVER_TABLE.items() if promise.up),
    ("ddim inverse", ddim_inverse, 1, True),
    ("uni_inv", uni_inv, 1, True),
    ("edict unmixed", UNMIXED, 1, True),
    ("bdia undamped", UNDAMPED, 2, False),
    ("bdia undamped", UNDAMPED, 2, True),
]
"""Mixing and damping are the same share of every step, however short, so their inverses grow with the number of steps:
upward there is a limit only without."""


def test_the_table_names_every_solver():
    assert SOLVER_TABLE.keys() == SOLVERS.keys()


@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
@pytest.mark.parametrize(
    ("step", "expected", "up"),
    [pytest.param(*case[1:], id=f"{case[0]}-{'up' if case[3] else 'down'}") for case in ORDERS],
)
def test_order(step, expected, up, path):
    assert order(step, path, up=up) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
@pytest.mark.parametrize("name", SOLVER_TABLE)
def test_evaluations_per_step(name, up):
    count, promise = Count(), SOLVER_TABLE[name]
    end(SOLVERS[name].step, Counted(Mixture(), count), grid(VE, 10, up=up), start(1.0 if up else 8.0))
    assert count.evaluations == 10 * promise.evaluations + promise.first


def test_uni_inv_costs_one_evaluation_more_than_its_steps():
    count = Count()
    end(uni_inv, Counted(Mixture(), count), grid(VE, 10, up=True), start())
    assert count.evaluations == 11


def there_and_back(up, down, path, steps):
    top = end(up, Mixture(path), grid(path, steps, up=True), start())
    return rms(end(down, Mixture(path), grid(path, steps), top) - start())


def test_round_trip_of_ddim_is_first_order():
    errors = [there_and_back(euler, euler, VE, steps) for steps in (32, 64)]
    assert errors[-1] > 1e-4
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
def test_uni_inv_undoes_euler_to_second_order_or_better(path):
    errors = [there_and_back(uni_inv, euler, path, steps) for steps in (32, 64)]
    assert math.log2(errors[0] / errors[1]) > 1.8
    assert errors[0] < there_and_back(euler, euler, path, 32) / 10


@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
@pytest.mark.parametrize("name", [name for name, promise in SOLVER_TABLE.items() if promise.alone and promise.order])
def test_undo_retraces_each_solver(name, path):
    sigmas = grid(path, 10)
    up = undo(SOLVERS[name].step, tolerance=1e-12, iterations=60)
    walk = integrate(up, Mixture(path), start(), sigmas.flip(0), Cond(PROMPT))
    assert all(state.converged for state in walk.states)
    assert (end(SOLVERS[name].step, Mixture(path), sigmas, walk.xs[-1]) - start()).abs().max() < 1e-9


def test_fireflow_is_midpoint_with_the_last_slope():
    """The first step is midpoint's; the second reaches its middle along the slope at the middle of the first."""
    sigmas = [level(s) for s in (0.8, 0.6, 0.5)]
    bound, x = Bound(Mixture(RF), Cond(PROMPT)), start()
    after, slope = fireflow(bound, x, sigmas[0], sigmas[1], None)
    assert torch.equal(after, midpoint(bound, x, sigmas[0], sigmas[1], None)[0])
    guess = after + (sigmas[2] - sigmas[1]) / 2 * slope
    middle = velocity(guess, bound(guess, level(0.55)), level(0.55))
    assert (
        fireflow(bound, after, *sigmas[1:], slope)[0] - after - (sigmas[2] - sigmas[1]) * middle
    ).abs().max() < 1e-14


@pytest.mark.parametrize(
    ("levels", "bends"),
    [((0.9, 0.5, 0.0), False), ((1.0, 0.5, 0.4), False), ((0.4, 0.5, 1.0), False), ((0.8, 0.5, 0.4), True)],
    ids=["to sigma 0", "from alpha 0", "to alpha 0", "between"],
)
def test_dpmpp_2m_is_euler_where_lambda_is_infinite(levels, bends):
    sigmas = [level(sigma) for sigma in levels]
    bound = Bound(Mixture(RF), Cond(PROMPT))
    x, state = dpmpp_2m(bound, start(), sigmas[0], sigmas[1], None)
    after, straight = dpmpp_2m(bound, x, *sigmas[1:], state)[0], euler(bound, x, *sigmas[1:], None)[0]
    assert ((after - straight).abs().max() > 1e-3) if bends else torch.equal(after, straight)


def test_midpoint_is_rf_solver():
    """RF-Solver's Taylor step with its finite difference: x + h v + h^2 / 2 (v_half - v) / (h / 2)."""
    x, sigma, after = start(), *(level(s) for s in (0.8, 0.6))
    bound, h = Bound(Mixture(RF), Cond(PROMPT)), after - sigma
    v = (x - bound(x, sigma)) / sigma
    half = x + h / 2 * v
    v_half = (half - bound(half, sigma + h / 2)) / (sigma + h / 2)
    taylor = x + h * v + h**2 / 2 * (v_half - v) / (h / 2)
    assert (midpoint(bound, x, sigma, after, None)[0] - taylor).abs().max() < 1e-14


def test_both_families_walk_the_same_pictures():
    """x_ve = x_rf / (1 - s), sigma_ve = s / (1 - s): one distribution, one clean prediction, one flow."""
    flow = torch.linspace(0.9, 0.05, 200, dtype=torch.float64)
    x = start()
    assert torch.allclose(
        Mixture(RF)(x, flow[3], Cond(PROMPT)),
        Mixture(VE)(x / (1 - flow[3]), flow[3] / (1 - flow[3]), Cond(PROMPT)),
        atol=1e-12,
    )
    down = end(heun, Mixture(RF), flow, x) / (1 - flow[-1])
    assert (down - end(heun, Mixture(VE), flow / (1 - flow), x / (1 - flow[0]))).abs().max() < 1e-3


def literal_ddim(denoiser, z, abar, levels, *, sampling):
    """DDIM in the variance-preserving latents as the published code writes it, from z at levels[0] to levels[-1]."""
    for now, after in itertools.pairwise(levels):
        told = now if sampling else after
        sigma = ((1 - abar[told]) / abar[told]).sqrt()
        clean = denoiser(z / abar[told].sqrt(), sigma, Cond(PROMPT))
        eps = (z - abar[told].sqrt() * clean) / (1 - abar[told]).sqrt()
        x0 = (z - (1 - abar[now]).sqrt() * eps) / abar[now].sqrt()
        z = abar[after].sqrt() * x0 + (1 - abar[after]).sqrt() * eps
    return z


@pytest.mark.parametrize("sampling", [True, False], ids=["sampling", "inversion"])
def test_sigma_space_equals_the_published_ddim_in_vp_space(sampling):
    sigmas = scaled_linear_sigmas()
    abar = 1 / (1 + sigmas**2)
    levels = [1 + 20 * i for i in range(50)]
    levels = levels[::-1] if sampling else levels
    x = start(float(sigmas[levels[0]]))
    rule = euler if sampling else ddim_inverse
    ours = integrate(rule, Mixture(), x, sigmas[torch.tensor(levels)], Cond(PROMPT)).xs[-1] * abar[levels[-1]].sqrt()
    assert (
        ours - literal_ddim(Mixture(), x * abar[levels[0]].sqrt(), abar, levels, sampling=sampling)
    ).abs().max() < 1e-12


GRIDS = {
    "ve": (VE, leading(scaled_linear_sigmas(), 50)),
    "rf": (RF, torch.linspace(1, 0, 26, dtype=torch.float64)),
}
WAYS_BACK = {
    "ddim": 0.1,
    "ddim current sigma": 0.2,
    "fixed point": 1e-4,
    "AIDI": 1e-4,
    "ReNoise": 1e-4,
    "Uni-Inv": 0.02,
    "heun": 2e-3,
    "midpoint": 0.01,
    "fireflow": 0.01,
    "dpmpp_2m": 0.03,
    "EDICT": 1e-13,
    "BDIA": 1e-13,
    "O-BELM": 1e-13,
    "edit-friendly DDPM": 1e-13,
    "LEDITS++": 1e-13,
    "TurboEdit": 1e-13,
    "RF-Inversion": 2.0,
}
"""The largest error of a replay at guidance 1. TurboEdit's noise is clipped nowhere here; RF-Inversion leads to noise of
its own choice, from which only its controller finds the way back."""


def test_the_table_names_every_inversion():
    assert WAYS_BACK.keys() == INVERSIONS.keys()


@pytest.mark.parametrize("family", GRIDS)
@pytest.mark.parametrize("name", INVERSIONS)
def test_inversions_leave_sigma_zero_and_come_back(name, family):
    """On the flow grid they also reach sigma 1, where alpha is 0, and start from there."""
    path, sigmas = GRIDS[family]
    trajectory = invert(INVERSIONS[name], Mixture(path), start(), sigmas, Cond(PROMPT))
    assert torch.equal(trajectory.xs[-1], start())
    assert all(torch.isfinite(x).all() for x in trajectory.tensors)
    assert rms(replay(trajectory, Mixture(path), Cond(PROMPT)).xs[-1] - start()) < WAYS_BACK[name]
    assert (trajectory.residuals is not None) == (name in ("fixed point", "AIDI", "ReNoise"))


def test_euler_refuses_to_evaluate_at_zero():
    zero, one = level(0), level(1)
    with pytest.raises(ValueError, match="sigma 0"):
        euler(Bound(Mixture(), Cond(PROMPT)), start(), zero, one, None)


def test_invert_refuses_what_it_cannot_invert():
    x = start()
    x[0, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="1 values that are not finite"):
        invert(INVERSIONS["ddim"], Mixture(), x, grid(VE, 5), Cond(PROMPT))
    with pytest.raises(ValueError, match="must decrease"):
        invert(INVERSIONS["ddim"], Mixture(), start(), grid(VE, 5, up=True), Cond(PROMPT))
