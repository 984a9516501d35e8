"""RF-Inversion: its controllers against the paper's velocities, its ends, and that nothing divides by zero on the way."""

from dataclasses import dataclass

import pytest
import torch

from harness.networks import Mixture
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.inversions.rf_inversion import RfInversion, drawn_to
from latent_inversion.inversion_core.loops.integrate import integrate
from latent_inversion.inversion_core.methods import EDITORS, EditJob
from latent_inversion.inversion_core.methods.rf_inversion import controlled
from latent_inversion.inversion_core.paths import RF, VE, velocity
from latent_inversion.inversion_core.schedules import leading, scaled_linear_sigmas, window
from latent_inversion.inversion_core.solvers import euler
from latent_inversion.inversion_core.types import Bound, Cond, SigmaRange, Wrapper

GRIDS = {"ve": (VE, leading(scaled_linear_sigmas(), 12)), "rf": (RF, torch.linspace(1, 0, 13, dtype=torch.float64))}
SOURCE, TARGET, EMPTY = torch.full((1, 5, 4), 0.6), torch.full((1, 5, 4), -0.5), torch.zeros(1, 5, 4)
EVER = SigmaRange(100, 0)


def picture(seed=0):
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(seed)).double() * 0.5 + 0.4


def scalar(value):
    return torch.tensor(float(value), dtype=torch.float64)


def largest(x):
    return float(x.abs().max())


def rms(a, b):
    return float((a - b).square().mean().sqrt())


@pytest.mark.parametrize("family", GRIDS)
def test_gamma_1_ends_at_the_noise_and_gamma_0_is_plain_inversion(family):
    path, sigmas = GRIDS[family]
    noise = torch.randn(picture().shape, generator=torch.Generator().manual_seed(5)).double()
    whole = RfInversion(gamma=1.0)(
        Mixture(path), picture(), sigmas, Cond(EMPTY), generator=torch.Generator().manual_seed(5), on_step=None
    )
    assert largest(path.noise(whole.xs[0], picture(), sigmas[0]) - noise) < 1e-12
    free = RfInversion(gamma=0.0)(
        Mixture(path), picture(), sigmas, Cond(EMPTY), generator=torch.Generator(), on_step=None
    )
    plain = invert(INVERSIONS["ddim current sigma"], Mixture(path), picture(), sigmas, Cond(EMPTY))
    assert all(torch.equal(a, b) for a, b in zip(free.xs, plain.xs, strict=True))


@pytest.mark.parametrize("gamma", [0.3, 0.5, 0.8])
def test_the_way_to_noise_is_the_papers(gamma):
    """`v + gamma ((y1 - x) / (1 - t) - v)` on rectified flow; as predictions, a blend of noises on both paths."""
    x, noise, bound = picture(1), picture(2), Bound(Mixture(RF), Cond(SOURCE))
    t, t_next = scalar(0.4), scalar(0.5)
    v = velocity(x, bound(x, t), t)
    published = x + (t_next - t) * (v + gamma * ((noise - x) / (1 - t) - v))
    assert largest(drawn_to(noise, gamma=gamma)(bound, x, t, t_next, None)[0] - published) < 1e-12
    for path in (RF, VE):
        bound = Bound(Mixture(path), Cond(SOURCE))
        blend = (1 - gamma) * path.noise(x, bound(x, t), t) + gamma * noise
        blended = x + (t_next - t) * path.velocity_to(x, blend, t)
        assert largest(drawn_to(noise, gamma=gamma)(bound, x, t, t_next, None)[0] - blended) < 1e-12


@pytest.mark.parametrize("path", [VE, RF], ids=["ve", "rf"])
def test_the_way_back_is_the_papers(path):
    """`v + eta ((x - x0) / t - v)` is the blend of the clean predictions."""
    x, x0, t, t_next = picture(1), picture(2), scalar(0.6), scalar(0.5)
    v = velocity(x, Mixture(path)(x, t, Cond(SOURCE)), t)
    published = x + (t_next - t) * (v + 0.9 * ((x - x0) / t - v))
    network = controlled(Mixture(path), x0, active=EVER, eta=0.9)
    assert largest(euler(Bound(network, Cond(SOURCE)), x, t, t_next, None)[0] - published) < 1e-12


@pytest.mark.parametrize("family", GRIDS)
def test_eta_1_at_the_last_step_gives_the_picture(family):
    path, sigmas = GRIDS[family]
    last = SigmaRange(float(sigmas[-2]), 0)
    network = controlled(Mixture(path), picture(), active=last, eta=1.0)
    walk = integrate(euler, network, picture(3) * float(sigmas[0]), sigmas, Cond(TARGET, EMPTY, 7.5))
    assert largest(walk.xs[-1] - picture()) < 1e-12


def test_outside_its_range_the_network_is_as_it_was():
    x, network = picture(1), controlled(Mixture(), picture(), active=SigmaRange(3.0, 2.0), eta=0.9)
    for sigma, same in ((3.5, True), (3.0, False), (2.0, False), (1.9, True)):
        plain = Mixture()(x, scalar(sigma), Cond(SOURCE))
        assert torch.equal(network(x, scalar(sigma), Cond(SOURCE)), plain) == same


@pytest.mark.parametrize("family", GRIDS)
def test_the_walk_from_clean_to_noise_is_finite_and_seeded(family):
    path, sigmas = GRIDS[family]
    state = torch.get_rng_state()
    first, again, other = (
        invert(
            INVERSIONS["RF-Inversion"],
            Mixture(path),
            picture(),
            sigmas,
            Cond(EMPTY),
            generator=torch.Generator().manual_seed(seed),
        )
        for seed in (1, 1, 2)
    )
    assert all(torch.isfinite(x).all() for x in first.xs)
    assert torch.equal(first.xs[-1], picture())
    assert all(torch.equal(a, b) for a, b in zip(first.xs, again.xs, strict=True))
    assert not torch.equal(first.xs[0], other.xs[0])
    assert torch.equal(torch.get_rng_state(), state)


@dataclass(frozen=True)
class Asked(Wrapper):
    """Notes the prompts that it is asked with."""

    prompts: list

    def __call__(self, x, sigma, cond):
        self.prompts.append(float(cond.cond.mean()))
        return self.denoiser(x, sigma, cond)


@pytest.mark.parametrize("family", GRIDS)
def test_the_editor_inverts_without_a_prompt_and_holds_the_first_quarter(family):
    path, sigmas = GRIDS[family]
    guided = [Cond(prompt, EMPTY, 3.0) for prompt in (SOURCE, TARGET)]
    asked = []
    job = EditJob(Asked(Mixture(path), asked), picture(), sigmas, *guided, seed=4)
    trajectory = EDITORS["RF-Inversion"].invert(job)
    assert asked == [0.0] * trajectory.steps
    edited = EDITORS["RF-Inversion"].edit(job, trajectory).target
    network = controlled(Mixture(path), picture(), active=window(sigmas, 0, 0.25), eta=0.9)
    assert torch.equal(edited, integrate(euler, network, trajectory.xs[0], sigmas, guided[1]).xs[-1])
    free = integrate(euler, Mixture(path), trajectory.xs[0], sigmas, guided[1]).xs[-1]
    assert 0.05 < rms(edited, picture()) < rms(free, picture())
