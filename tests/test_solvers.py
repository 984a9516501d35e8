"""Every solver's order, cost and way back, measured on a Gaussian mixture; the DDIM rules against their published form."""

import itertools
import math
from dataclasses import dataclass

import pytest
import torch

from harness.networks import Mixture
from latent_inversion.inversion_core.integrate import integrate
from latent_inversion.inversion_core.methods import INVERSIONS, invert
from latent_inversion.inversion_core.metrics import Count, Counted
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas
from latent_inversion.inversion_core.solvers import SOLVERS, ddim_inverse, euler, heun, midpoint, undo
from latent_inversion.inversion_core.types import Bound, Cond


@dataclass(frozen=True)
class Promise:
    order: float
    evaluations: int


SOLVER_TABLE = {"euler": Promise(1, 1), "heun": Promise(2, 2), "midpoint": Promise(2, 2)}
PROMPT = torch.full((1, 2, 3), 0.2, dtype=torch.float64)


def grid(path, steps, *, up=False):
    high, low = (8.0, 0.3) if path is VE else (0.95, 0.1)
    levels = torch.linspace(math.log(high), math.log(low), steps + 1, dtype=torch.float64).exp()
    return levels.flip(0) if up else levels


def start(sigma):
    generator = torch.Generator().manual_seed(1)
    return float(sigma) * torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64)


def end(step, denoiser, sigmas, x):
    return integrate(step, denoiser, x, sigmas, Cond(PROMPT)).xs[-1]


def runge_kutta(denoise, x, sigma, sigma_next, state):
    h = sigma_next - sigma
    slope = lambda y, s: (y - denoise(y, s)) / s  # noqa: E731
    a = slope(x, sigma)
    b = slope(x + h / 2 * a, sigma + h / 2)
    c = slope(x + h / 2 * b, sigma + h / 2)
    d = slope(x + h * c, sigma_next)
    return x + h * (a + 2 * b + 2 * c + d) / 6, state


def test_the_table_names_every_solver():
    assert SOLVER_TABLE.keys() == SOLVERS.keys()


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
@pytest.mark.parametrize("name", SOLVER_TABLE)
def test_order(name, path, up):
    denoiser = Mixture(path)
    x = start(1.0) if up else start(grid(path, 1)[0])
    exact = end(runge_kutta, denoiser, grid(path, 256, up=up), x)
    errors = [
        float((end(SOLVERS[name], denoiser, grid(path, n, up=up), x) - exact).square().mean().sqrt()) for n in (32, 64)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(SOLVER_TABLE[name].order, abs=0.2)


@pytest.mark.parametrize("name", SOLVER_TABLE)
def test_evaluations_per_step(name):
    count = Count()
    end(SOLVERS[name], Counted(Mixture(), count), grid(VE, 10), start(8.0))
    assert count.evaluations == 10 * SOLVER_TABLE[name].evaluations


def test_round_trip_of_ddim_is_first_order():
    errors = []
    for steps in (32, 64, 128):
        up = end(euler, Mixture(), grid(VE, steps, up=True), start(1.0))
        errors.append(float((end(euler, Mixture(), grid(VE, steps), up) - start(1.0)).square().mean().sqrt()))
    assert errors[-1] > 1e-4
    assert math.log2(errors[1] / errors[2]) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
@pytest.mark.parametrize("name", SOLVER_TABLE)
def test_undo_retraces_each_solver(name, path):
    sigmas = grid(path, 40)
    walk = integrate(
        undo(SOLVERS[name], tolerance=1e-12, iterations=60), Mixture(path), start(1.0), sigmas.flip(0), Cond(PROMPT)
    )
    assert all(state.converged for state in walk.states)
    assert (end(SOLVERS[name], Mixture(path), sigmas, walk.xs[-1]) - start(1.0)).abs().max() < 1e-9


def test_each_fixed_point_iteration_gains_accuracy_until_rounding():
    residuals = []
    for iterations in (1, 2, 3, 4):
        up = undo(euler, tolerance=1e-15, iterations=iterations)
        walk = integrate(up, Mixture(), start(1.0), grid(VE, 50, up=True), Cond(PROMPT))
        residuals.append(max(state.residual for state in walk.states))
    assert all(later < earlier / 2 for earlier, later in itertools.pairwise(residuals))


def test_undo_reports_divergence_and_keeps_the_best_iterate():
    class Steep(Mixture):
        def __call__(self, x, sigma, cond):
            return -40 * x

    x = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    bound = Bound(Steep(), Cond(PROMPT))
    low, high = torch.tensor(1.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    y, state = undo(euler, iterations=8)(bound, x, low, high, None)
    assert not state.converged
    first_guess, _ = ddim_inverse(bound, x, low, high, None)
    worse = (euler(bound, first_guess, high, low, None)[0] - x).abs().max()
    assert torch.isfinite(y).all()
    assert (euler(bound, y, high, low, None)[0] - x).abs().max() <= worse


@pytest.mark.parametrize("bad", [{"tolerance": 0.0}, {"iterations": 0}])
def test_undo_refuses_settings_that_cannot_work(bad):
    with pytest.raises(ValueError, match="positive tolerance"):
        undo(euler, **bad)


def test_midpoint_is_rf_solver():
    """RF-Solver's Taylor step with its finite difference: x + h v + h^2 / 2 (v_half - v) / (h / 2)."""
    x, sigma, after = start(1.0), *(torch.tensor(s, dtype=torch.float64) for s in (0.8, 0.6))
    bound, h = Bound(Mixture(RF), Cond(PROMPT)), after - sigma
    v = (x - bound(x, sigma)) / sigma
    half = x + h / 2 * v
    v_half = (half - bound(half, sigma + h / 2)) / (sigma + h / 2)
    taylor = x + h * v + h**2 / 2 * (v_half - v) / (h / 2)
    assert (midpoint(bound, x, sigma, after, None)[0] - taylor).abs().max() < 1e-14


def test_both_families_walk_the_same_pictures():
    """x_ve = x_rf / (1 - s), sigma_ve = s / (1 - s): one distribution, one clean prediction, one flow."""
    flow = torch.linspace(0.9, 0.05, 200, dtype=torch.float64)
    x = start(1.0)
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


@pytest.mark.parametrize("name", INVERSIONS)
def test_inversions_leave_sigma_zero_and_come_back(name):
    sigmas = leading(scaled_linear_sigmas(), 50)
    trajectory = invert(INVERSIONS[name], Mixture(), start(1.0), sigmas, Cond(PROMPT))
    assert torch.equal(trajectory.xs[-1], start(1.0))
    assert all(torch.isfinite(x).all() for x in trajectory.xs)
    back = integrate(SOLVERS[trajectory.solver], Mixture(), trajectory.xs[0], sigmas, Cond(PROMPT)).xs[-1]
    bound = {"ddim": 0.3, "ddim current sigma": 0.3, "fixed point": 1e-4, "heun": 0.02, "midpoint": 0.05}[name]
    assert (back - start(1.0)).square().mean().sqrt() < bound
    assert (trajectory.residuals is not None) == (name == "fixed point")


def test_euler_refuses_to_evaluate_at_zero():
    zero, one = (torch.tensor(float(v), dtype=torch.float64) for v in (0, 1))
    with pytest.raises(ValueError, match="sigma 0"):
        euler(Bound(Mixture(), Cond(PROMPT)), start(1.0), zero, one, None)


def test_invert_refuses_what_it_cannot_invert():
    x = start(1.0)
    x[0, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="1 values that are not finite"):
        invert(INVERSIONS["ddim"], Mixture(), x, grid(VE, 5), Cond(PROMPT))
    with pytest.raises(ValueError, match="must decrease"):
        invert(INVERSIONS["ddim"], Mixture(), start(1.0), grid(VE, 5, up=True), Cond(PROMPT))
