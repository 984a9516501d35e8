"""Undoing a step by iteration: what each rule gains, when it stops, and what it says of itself."""

import itertools
import math

import pytest
import torch

from harness.networks import Mixture
from harness.odes import PROMPT, grid, level, rms, start
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.integrate import integrate
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.quality.metrics import Count, Counted
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas
from latent_inversion.inversion_core.solvers import anderson, averaged, ddim_inverse, euler, plain, undo
from latent_inversion.inversion_core.types import Bound, Cond

RULES = {"plain": {"update": plain}, "anderson": {"update": anderson}, "renoise": {"ended": averaged}}
PATHS = pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])


class Linear(Mixture):
    """A network whose fixed-point map has the slope given, everywhere: `f(y) = x + slope y` in the step from 2 to 1."""

    def __init__(self, slope):
        object.__setattr__(self, "slope", slope)
        super().__init__()

    def __call__(self, x, sigma, cond):
        return x - sigma * self.slope * x


def worst(rule, path, iterations):
    """The largest residual that so many iterations leave on the way up a grid."""
    up = undo(euler, tolerance=1e-15, iterations=iterations, **RULES[rule])
    walk = integrate(up, Mixture(path), start(), grid(path, 12, up=True), Cond(PROMPT))
    return max(state.residual for state in walk.states)


def undone(slope, rule, iterations=8):
    """What is left of a step over a network of one slope."""
    bound, x = Bound(Linear(slope), Cond(PROMPT)), torch.ones(1, 1, 2, 2, dtype=torch.float64)
    return undo(euler, iterations=iterations, **RULES[rule])(bound, x, level(1), level(2), None)


@PATHS
@pytest.mark.parametrize("rule", RULES)
def test_iterations_gain_until_rounding(rule, path):
    residuals = [worst(rule, path, iterations) for iterations in (1, 3, 5)]
    assert all(later < earlier / 4 for earlier, later in itertools.pairwise(residuals))
    assert worst(rule, path, 60) < 1e-15


@PATHS
def test_each_plain_iteration_gains_an_order_in_the_step(path):
    """The published DDIM inversion misses a step of length h by h^2, and k iterations on it by h^(2 + k)."""

    def residual(iterations, h):
        step = undo(euler, tolerance=1e-15, iterations=iterations)
        return step(Bound(Mixture(path), Cond(PROMPT)), start(0.5), level(0.5), level(0.5 + h), None)[1].residual

    for iterations in (1, 2, 3, 4):
        gained = math.log2(residual(iterations, 0.02) / residual(iterations, 0.01))
        assert gained == pytest.approx(1 + iterations, abs=0.3)


@PATHS
def test_anderson_needs_no_more_iterations_than_plain(path):
    for iterations in (1, 2, 3, 4, 6):
        assert worst("anderson", path, iterations) <= worst("plain", path, iterations)


@PATHS
@pytest.mark.parametrize("rule", RULES)
def test_the_rules_agree_on_what_they_find(rule, path):
    def top(rule):
        up = undo(euler, tolerance=1e-14, iterations=60, **RULES[rule])
        return integrate(up, Mixture(path), start(), grid(path, 6, up=True), Cond(PROMPT)).xs[-1]

    assert rms(top(rule) - top("plain")) < 1e-11


@pytest.mark.parametrize(
    ("slope", "rule", "converges"),
    [
        (0.5, "plain", True),
        (-0.9, "plain", False),
        (-0.7, "renoise", True),
        (-1.5, "plain", False),
        (-1.2, "renoise", False),
        (-2.2, "anderson", True),
        (1.5, "renoise", False),
        (1.5, "anderson", True),
    ],
)
def test_where_each_rule_converges(slope, rule, converges):
    _, state = undone(slope, rule, iterations=60 if converges else 20)
    assert state.converged == converges


def test_anderson_weighs_every_picture_by_itself():
    denoiser, x = Mixture(), start()
    step = undo(euler, tolerance=1e-15, iterations=4, update=anderson)
    bound, low, high = Bound(denoiser, Cond(PROMPT)), level(1), level(2)
    together = step(bound, x, low, high, None)[0]
    alone = torch.cat([step(bound, x[row : row + 1], low, high, None)[0] for row in range(len(x))])
    assert (together - alone).abs().max() < 1e-12


def test_undo_reports_divergence_and_keeps_the_best_guess():
    bound, x = Bound(Linear(-3.0), Cond(PROMPT)), torch.ones(1, 1, 2, 2, dtype=torch.float64)
    y, state = undone(-3.0, "plain")
    first, _ = ddim_inverse(bound, x, level(1), level(2), None)
    assert not state.converged and torch.isfinite(y).all()
    assert torch.equal(y, first) and state.residual > 1


def test_undo_stops_where_the_network_fails():
    count = Count()
    bound = Bound(Counted(Linear(float("nan")), count), Cond(PROMPT))
    _, state = undo(euler)(bound, torch.ones(1, 1, 2, 2, dtype=torch.float64), level(1), level(2), None)
    assert not state.converged and state.residual == float("inf") and count.evaluations == 2


@pytest.mark.parametrize("bad", [{"tolerance": 0.0}, {"iterations": 0}])
def test_undo_refuses_settings_that_cannot_work(bad):
    with pytest.raises(ValueError, match="positive tolerance"):
        undo(euler, **bad)


@pytest.mark.parametrize(("name", "most"), [("fixed point", 21), ("AIDI", 6), ("ReNoise", 11)])
@pytest.mark.parametrize(
    ("path", "sigmas"),
    [(VE, leading(scaled_linear_sigmas(), 50)), (RF, torch.linspace(1, 0, 26, dtype=torch.float64))],
    ids=["ve", "rf"],
)
def test_the_inversions_report_their_residuals_and_keep_their_budget(path, sigmas, name, most):
    count, steps = Count(), len(sigmas) - 1
    trajectory = invert(INVERSIONS[name], Counted(Mixture(path), count), start(), sigmas, Cond(PROMPT))
    assert 2 * steps <= count.evaluations <= most * steps
    assert len(trajectory.residuals) == steps and max(trajectory.residuals) <= 1e-6
    for index in (0, steps // 2, steps - 1):
        bound = Bound(Mixture(path), Cond(PROMPT))
        again = euler(bound, trajectory.xs[index], *sigmas[index : index + 2], None)[0]
        missed = (again - trajectory.xs[index + 1]).square().mean((1, 2, 3)).sqrt()
        size = trajectory.xs[index + 1].square().mean((1, 2, 3)).sqrt()
        assert float((missed / size).max()) == pytest.approx(trajectory.residuals[index], rel=1e-6)
