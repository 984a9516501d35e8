"""EDICT, BDIA and O-BELM retrace what they sample to rounding: on any grid, from any level, under any shared guidance."""

import itertools
import math
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from harness import tiny_diffusion, tiny_flow
from harness.networks import Mixture
from harness.odes import level, rms
from latent_inversion.inversion_core.backends.diffusers.denoiser import DiffusersDenoiser, Prompt
from latent_inversion.inversion_core.backends.diffusers.flow import FlowDenoiser
from latent_inversion.inversion_core.files.storage import load_trajectory, save
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops import integrate as integration
from latent_inversion.inversion_core.loops.integrate import integrate, opening, replay
from latent_inversion.inversion_core.methods import EDITORS, EditJob
from latent_inversion.inversion_core.paths import RF, VE
from latent_inversion.inversion_core.schedules import flow_shift, karras, leading, scaled_linear_sigmas
from latent_inversion.inversion_core.solvers import SOLVERS, Coupled, bdia, edict, euler, o_belm
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.inversion_core.types import Bound, Cond, Wrapper

TABLE = scaled_linear_sigmas()
GRIDS = {
    "ve, even": (VE, leading(TABLE, 12)),
    "ve, odd": (VE, leading(TABLE, 13)),
    "ve, karras": (VE, karras(TABLE, 9)),
    "ve, above 0": (VE, leading(TABLE, 11)[:-1]),
    "rf, even": (RF, flow_shift(12)),
    "rf, shifted and odd": (RF, flow_shift(9, shift=3.0)),
    "rf, inside": (RF, torch.linspace(0.98, 0.02, 11, dtype=torch.float64)),
}
SCHEMES = {"EDICT": "edict", "BDIA": "bdia", "O-BELM": "o-belm"}
SOURCE, EMPTY = torch.full((1, 5, 4), 0.6, dtype=torch.float64), torch.zeros(1, 5, 4, dtype=torch.float64)
GUIDED = Cond(SOURCE, EMPTY, 3.0)
OVER_GRIDS = pytest.mark.parametrize(("path", "sigmas"), GRIDS.values(), ids=GRIDS)
OVER_SCHEMES = pytest.mark.parametrize("name", SCHEMES)


def picture() -> Tensor:
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.4


def normal(*shape: int) -> Tensor:
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(1))


def drift(walked, trajectory) -> float:
    """The largest relative error of a replay, level by level."""
    kept = trajectory.xs[len(trajectory.xs) - len(walked) :]
    return max(rms(a - b) / rms(b) for a, b in zip(walked, kept, strict=True))


@OVER_GRIDS
@OVER_SCHEMES
def test_the_replay_is_the_trajectory(name, path, sigmas):
    trajectory = invert(INVERSIONS[name], Mixture(path), picture(), sigmas, GUIDED)
    assert trajectory.solver == SCHEMES[name] and trajectory.xs[0].dtype == torch.float64
    assert rms(trajectory.xs[0]) < 5 * float(sigmas[0])
    assert drift(replay(trajectory, Mixture(path), GUIDED).xs, trajectory) <= 1e-13


@pytest.mark.parametrize("family", ["ve, odd", "rf, even"])
@OVER_SCHEMES
def test_the_replay_is_the_trajectory_from_every_level(name, family):
    path, sigmas = GRIDS[family]
    trajectory = invert(INVERSIONS[name], Mixture(path), picture(), sigmas, Cond(SOURCE))
    for start in range(trajectory.steps):
        assert drift(replay(trajectory, Mixture(path), Cond(SOURCE), start=start).xs, trajectory) <= 1e-13


@pytest.mark.parametrize("family", ["ve, even", "rf, even"])
@pytest.mark.parametrize("guidance", [1.0, 7.5])
@OVER_SCHEMES
def test_any_guidance_that_both_ways_share_will_do(name, guidance, family):
    path, sigmas = GRIDS[family]
    cond, other = Cond(SOURCE, EMPTY, guidance), Cond(SOURCE, EMPTY, guidance + 1)
    trajectory = invert(INVERSIONS[name], Mixture(path), picture(), sigmas, cond)
    assert drift(replay(trajectory, Mixture(path), cond).xs, trajectory) <= 1e-12
    assert drift(replay(trajectory, Mixture(path), other).xs, trajectory) > 0.01


@OVER_SCHEMES
def test_one_end_state_is_not_enough(name):
    path, sigmas = GRIDS["ve, even"]
    trajectory = invert(INVERSIONS[name], Mixture(path), picture(), sigmas, GUIDED)
    alone = integrate(SOLVERS[trajectory.solver].step, Mixture(path), trajectory.xs[0], sigmas, GUIDED).xs
    assert drift(alone, trajectory) > 1e-3


def test_edict_without_partners_is_refused():
    path, sigmas = GRIDS["ve, even"]
    trajectory = invert(INVERSIONS["EDICT"], Mixture(path), picture(), sigmas, GUIDED)
    with pytest.raises(ValueError, match="lost its partners"):
        replay(replace(trajectory, partners=None), Mixture(path), GUIDED)


def test_edict_needs_the_parity_of_the_level_not_of_the_loop():
    """Counted from where the loop starts, the order of the states is right in every other case only."""
    path, sigmas = GRIDS["ve, odd"]
    trajectory = invert(INVERSIONS["EDICT"], Mixture(path), picture(), sigmas, Cond(SOURCE))
    errors = []
    for start, counted in itertools.product((2, 3), (0, 1)):
        pair = replace(opening(trajectory, start), steps_down=counted)
        walk = integrate(edict(), Mixture(path), trajectory.xs[start], sigmas[start:], Cond(SOURCE), state=pair)
        errors.append(drift(walk.xs, trajectory))
    assert max(errors[0], errors[3]) <= 1e-13 and min(errors[1], errors[2]) > 1e-3


class _Kept:
    """A step whose states are stored in a precision of fewer bits than the network's."""

    def __init__(self, step, dtype):
        self.step, self.dtype = step, dtype

    def __call__(self, denoise, x, sigma, sigma_next, state):
        x, state = self.step(denoise, x, sigma, sigma_next, state)
        return self.kept(x), replace(state, **{f.name: self.kept(getattr(state, f.name)) for f in fields(state)})

    def kept(self, value):
        return value.to(self.dtype).double() if isinstance(value, Tensor) and value.ndim else value


ROUNDED = {
    "EDICT": {torch.float64: 1e-13, torch.float32: 1e-6, torch.bfloat16: 0.01},
    "BDIA": {torch.float64: 1e-13, torch.float32: 1e-6, torch.bfloat16: 0.01},
    "O-BELM": {torch.float64: 1e-13, torch.float32: 1e-6, torch.bfloat16: 0.05},
}
"""What a walk up and down leaves of a latent of about unit size, by the precision in which the states are kept."""


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=["f64", "f32", "bf16"])
@pytest.mark.parametrize(("path", "sigmas"), [(VE, leading(TABLE, 50)), (RF, flow_shift(25))], ids=["ve", "rf"])
@OVER_SCHEMES
def test_states_of_fewer_bits_come_back_as_well_as_these_can(name, path, sigmas, dtype):
    step = _Kept(SOLVERS[SCHEMES[name]].step, dtype)
    x0 = step.kept(picture().double())
    first = Coupled(x0, len(sigmas) - 1) if name == "EDICT" else None
    up = integrate(step, Mixture(path), x0, sigmas.flip(0), Cond(SOURCE), state=first)
    partners = tuple(state.partner for state in (first, *up.states))[::-1] if first else None
    trajectory = Trajectory(path, sigmas, up.xs[::-1], SCHEMES[name], partners)
    down = integrate(step, Mixture(path), trajectory.xs[0], sigmas, Cond(SOURCE), state=opening(trajectory))
    assert rms(down.xs[-1] - x0) <= ROUNDED[name][dtype]


class _Coarse(Wrapper):
    """A network that computes in bfloat16, as backends run it."""

    def __call__(self, x, sigma, cond):
        scale = self.path.input_scale(sigma)
        inner = (x / scale).bfloat16().to(x.dtype) * scale
        slope = (inner - self.denoiser(inner, sigma, cond)) / sigma
        return x - sigma * slope.bfloat16().to(x.dtype)


@pytest.mark.parametrize(
    ("path", "sigmas"), [(VE, leading(TABLE, 12)), (RF, flow_shift(11, shift=3.0))], ids=["ve", "rf"]
)
@OVER_SCHEMES
def test_a_coarse_network_costs_nothing_where_the_states_are_in_float64(name, path, sigmas):
    trajectory = invert(INVERSIONS[name], _Coarse(Mixture(path)), picture(), sigmas, GUIDED)
    assert drift(replay(trajectory, _Coarse(Mixture(path)), GUIDED).xs, trajectory) <= 1e-13


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["f32", "bf16"])
@pytest.mark.parametrize("kind", ["unet", "flow"])
@OVER_SCHEMES
def test_networks_of_diffusers_are_asked_in_their_own_precision(name, kind, dtype):
    """The flow grid has irrational steps: after a step of 1/3 a state of float32 origin may lie half-way between two numbers
    of float32, and what rounding 1e-16 to either side makes of it differs by 1e-7.
    """
    if kind == "unet":
        denoiser = DiffusersDenoiser(tiny_diffusion.tiny_unet().to(dtype), TABLE, "epsilon")
        cond, sigmas = Cond(Prompt(normal(7, 32))), leading(TABLE, 6)
    else:
        denoiser = FlowDenoiser(tiny_flow.tiny_sd3().to(dtype))
        cond = Cond(Prompt(normal(7, tiny_flow.TEXT), {"pooled": normal(tiny_flow.POOLED)}))
        sigmas = flow_shift(7, shift=math.e)
    trajectory = invert(INVERSIONS[name], denoiser, picture(), sigmas, cond)
    assert drift(replay(trajectory, denoiser, cond).xs, trajectory) <= 1e-13


@OVER_SCHEMES
def test_a_trajectory_survives_its_file(name, tmp_path):
    path, sigmas = GRIDS["ve, odd"]
    trajectory = invert(INVERSIONS[name], Mixture(path), picture(), sigmas, GUIDED)
    save(trajectory, tmp_path / "kept.safetensors")
    loaded = load_trajectory(tmp_path / "kept.safetensors")
    assert all(
        torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(loaded.tensors, trajectory.tensors, strict=True)
    )
    assert loaded.solver == trajectory.solver and (loaded.partners is None) == (trajectory.partners is None)
    assert torch.equal(replay(loaded, Mixture(path), GUIDED).xs[-1], replay(trajectory, Mixture(path), GUIDED).xs[-1])


@OVER_SCHEMES
def test_a_device_without_float64_gets_float32(name, monkeypatch):
    path, sigmas = GRIDS["ve, even"]
    fine = invert(INVERSIONS[name], Mixture(path), picture(), sigmas, GUIDED)
    monkeypatch.setattr(integration, "has_float64", lambda device: False)
    coarse = invert(INVERSIONS[name], Mixture(path), picture(), sigmas, GUIDED)
    assert all(x.dtype == torch.float32 for x in coarse.tensors)
    assert drift(replay(coarse, Mixture(path), GUIDED).xs, coarse) <= 1e-5
    walked = replay(fine, Mixture(path), GUIDED).xs
    assert walked[-1].dtype == torch.float32 and drift(walked, fine) <= 1e-5


def test_o_belm_in_equal_steps_is_leapfrog_is_bdia_undamped():
    sigmas = torch.linspace(0.9, 0.1, 9, dtype=torch.float64)
    x = picture().double()
    walks = [integrate(step, Mixture(RF), x, sigmas, GUIDED).xs for step in (o_belm, bdia(gamma=1.0))]
    assert max(rms(a - b) for a, b in zip(*walks, strict=True)) < 1e-14
    bound, h = Bound(Mixture(RF), GUIDED), sigmas[2] - sigmas[1]
    before, now, after = walks[0][:3]
    leapt = before + 2 * h * (now - bound(now, sigmas[1])) / sigmas[1]
    assert rms(after - leapt) < 1e-14


def ddim(denoiser, z, abar, now, after):
    """One DDIM step of a variance-preserving latent between two levels, told the one it leaves."""
    sigma = ((1 - abar[now]) / abar[now]).sqrt()
    clean = denoiser(z / abar[now].sqrt(), sigma, GUIDED)
    eps = (z - abar[now].sqrt() * clean) / (1 - abar[now]).sqrt()
    return abar[after].sqrt() * clean + (1 - abar[after]).sqrt() * eps


@pytest.mark.parametrize("gamma", [1.0, 0.92])
def test_bdia_equals_its_published_form(gamma):
    levels = [981 - 80 * i for i in range(12)]
    abar, sigmas = 1 / (1 + TABLE**2), TABLE[torch.tensor(levels)]
    x = float(sigmas[0]) * picture().double()
    zs = [x * abar[levels[0]].sqrt()]
    zs.append(ddim(Mixture(), zs[0], abar, *levels[:2]))
    for before, now, after in zip(levels, levels[1:], levels[2:], strict=False):
        missed = zs[-2] - ddim(Mixture(), zs[-1], abar, now, before)
        zs.append(ddim(Mixture(), zs[-1], abar, now, after) + gamma * missed)
    ours = integrate(bdia(gamma=gamma), Mixture(), x, sigmas, GUIDED).xs[-1]
    assert rms(ours * abar[levels[-1]].sqrt() - zs[-1]) < 1e-12


def test_edict_equals_its_published_form():
    """Mixing commutes with the scaling of variance-preserving latents, `z_next = a z + b eps`."""
    levels = [981 - 80 * i for i in range(12)]
    abar, sigmas = 1 / (1 + TABLE**2), TABLE[torch.tensor(levels)]
    x = float(sigmas[0]) * picture().double()
    first = second = x * abar[levels[0]].sqrt()
    for count, (now, after) in enumerate(itertools.pairwise(levels)):
        a = (abar[after] / abar[now]).sqrt()
        b = (1 - abar[after]).sqrt() - a * (1 - abar[now]).sqrt()

        def eps(z, now=now):
            sigma = TABLE[now]
            return (z / abar[now].sqrt() - Mixture()(z / abar[now].sqrt(), sigma, GUIDED)) / sigma

        if count % 2 == 0:
            first = a * first + b * eps(second)
            second = a * second + b * eps(first)
        else:
            second = a * second + b * eps(first)
            first = a * first + b * eps(second)
        first = 0.93 * first + 0.07 * second
        second = 0.93 * second + 0.07 * first
    ours = integrate(edict(), Mixture(), x, sigmas, GUIDED).xs[-1]
    assert rms(ours * abar[levels[-1]].sqrt() - first) < 1e-12


def test_settings_that_cannot_be_inverted_are_refused():
    for gamma in (0.5, 0.89, 1.01):
        with pytest.raises(ValueError, match=r"gamma from 0\.9 to 1"):
            bdia(gamma=gamma)
    for mixing in (0.0, 1.1):
        with pytest.raises(ValueError, match="mixing weight"):
            edict(mixing=mixing)


@OVER_SCHEMES
def test_sampling_from_noise_starts_with_a_step_of_ddim(name):
    bound, x = Bound(Mixture(), GUIDED), 8 * picture().double()
    after, _ = SOLVERS[SCHEMES[name]].step(bound, x, level(8), level(6), None)
    straight, _ = euler(bound, x, level(8), level(6), None)
    assert rms(after - straight) < (0.1 if name == "EDICT" else 1e-14)


@OVER_SCHEMES
def test_an_edit_under_other_guidance_than_the_inversion_is_refused(name):
    path, sigmas = GRIDS["ve, even"]
    trajectory = invert(INVERSIONS[name], Mixture(path), picture(), sigmas, Cond(SOURCE))
    job = EditJob(Mixture(path), picture(), sigmas, GUIDED, GUIDED)
    with pytest.raises(ValueError, match=r"inverted with, 1; the source's is 3\. Invert at 3"):
        EDITORS[name].edit(job, trajectory)
