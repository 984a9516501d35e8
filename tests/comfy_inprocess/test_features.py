"""Features of a UNet's decoder in ComfyUI: nothing changes or stays by itself, and an edit is that of diffusers."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness import plug_and_play_reference as reference
from harness import tiny_comfy
from harness.edits import edit
from harness.shared_norms import both_normalised
from latent_inversion.inversion_core.attention.bank import Bank
from latent_inversion.inversion_core.attention.site import AttentionEdit, UnmatchedEdit
from latent_inversion.inversion_core.backends.comfy.denoiser import run
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.edit import unanchored
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.schedules import window
from latent_inversion.inversion_core.techniques.plug_and_play import plug_and_play
from latent_inversion.inversion_core.techniques.style_aligned import style_aligned
from latent_inversion.toybox.hosts import comfy_loader

SIGMAS = torch.tensor([9.0, 3.0, 1.0, 0.0], dtype=torch.float64)
WHOLE = window(SIGMAS, 0, 1)
PROMPTS = {"source": tiny_comfy.conditioning(1), "empty": tiny_comfy.conditioning(3)}


pytestmark = pytest.mark.usefixtures("in_a_node")


def inside(model: Any, body: Callable[..., Any], prompts: dict[str, Any] = PROMPTS, batch: int = 2) -> Any:
    return run(model, prompts, tiny_comfy.latent(batch=batch), SIGMAS, body)


def features(apply: Any) -> AttentionEdit:
    return AttentionEdit("all features", lambda site: site.kind == "feature", apply, features=True)


def given_back(attend: Any, q: Any, k: Any, v: Any, site: Any) -> Any:
    return attend(q, k, v)


def hooks(model: Any) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.model.diffusion_model.modules())


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_an_edit_that_gives_features_back_is_bit_identical_to_none(model: Any, guidance: float) -> None:
    def body(denoiser: Any, x: Any, prepared: Any) -> Any:
        cond = prepared("source", "empty", guidance)
        return denoiser(x, SIGMAS[1], cond), denoiser.edited(features(given_back))(x, SIGMAS[1], cond)

    plain, edited = inside(model, body)
    assert torch.equal(plain, edited)


def test_every_layer_of_both_branches_is_met(model: Any) -> None:
    seen = []

    def look(attend: Any, q: Any, k: Any, v: Any, site: Any) -> Any:
        seen.append((site.layer, site.branch, site.block, tuple(v.shape) == (2, 1, site.tokens, v.shape[-1])))
        return v

    inside(model, lambda d, x, p: d.edited(features(look))(x, SIGMAS[1], p("source", "empty", 5.0)))
    branches = {(layer, branch, f"output.{layer}", True) for layer in range(4) for branch in ("cond", "uncond")}
    assert set(seen) == branches and len(seen) == 8


def test_own_features_and_maps_are_bit_identical_to_none(model: Any) -> None:
    def body(denoiser: Any, x: Any, prepared: Any) -> Any:
        cond = prepared("source")
        trajectory = invert(INVERSIONS["ddim"], denoiser, x, SIGMAS, cond)
        techniques = plug_and_play(features=WHOLE, attention=WHOLE, layer=2)
        same = edit(trajectory, denoiser, cond, cond, anchor=unanchored, techniques=techniques)
        return same.target, replay(trajectory, denoiser, cond).xs[-1]

    again, plain = inside(model, body)
    assert torch.equal(again, plain)


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_normalisations_are_shared_as_published_and_given_back_change_nothing(model: Any, guidance: float) -> None:
    network, before = model.model.diffusion_model, hooks(model)

    def body(denoiser: Any, x: Any, prepared: Any) -> Any:
        cond, shown = prepared("source", "empty", guidance), prepared("empty")
        other = invert(INVERSIONS["ddim"], denoiser, 2 * x[:1] + 1, SIGMAS, shown)
        technique = style_aligned(other, shown, active=WHOLE, where=lambda site: False)
        bank, reference = Bank(), other.xs[0].to(x)
        denoiser.edited(technique.reference.record(bank))(reference, SIGMAS[0], shown)
        same = AttentionEdit("norms", lambda site: site.kind == "norm", given_back, norms=True)
        return (
            denoiser.edited(technique.inject(bank))(x, SIGMAS[0], cond),
            both_normalised(
                network, lambda: denoiser(x, SIGMAS[0], cond), lambda: denoiser(reference, SIGMAS[0], shown)
            ),
            denoiser.edited(same)(x, SIGMAS[0], cond),
            denoiser(x, SIGMAS[0], cond),
        )

    ours, theirs, kept, plain = inside(model, body)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    assert (ours - plain).abs().max() > 0.01 and torch.equal(kept, plain) and hooks(model) == before


@pytest.mark.parametrize("fails", [False, True])
def test_no_hook_stays(model: Any, fails: bool) -> None:
    def apply(attend: Any, q: Any, k: Any, v: Any, site: Any) -> Any:
        assert hooks(model) == before + 5, "four convolutions and the network"
        if fails:
            raise RuntimeError("on purpose")
        return v

    before, error = hooks(model), None
    try:
        inside(model, lambda d, x, p: d.edited(features(apply))(x, SIGMAS[1], p("source")))
    except RuntimeError as raised:
        error = str(raised)
    assert hooks(model) == before and error == ("on purpose" if fails else None)


def test_networks_without_a_decoder_and_layers_beyond_it_are_refused(model: Any) -> None:
    (technique, _) = plug_and_play(features=WHOLE, attention=WHOLE, layer=7)
    source = technique.record(None)
    with pytest.raises(UnmatchedEdit, match=r"feature output\.3"):
        inside(model, lambda d, x, p: d.edited(source)(x, SIGMAS[1], p("source")))
    family, grid = tiny_comfy.FAMILIES["sd3"], torch.tensor([0.9, 0.0], dtype=torch.float64)
    latent, prompts = family.latent()["samples"], {"source": family.conditioning(1)}
    with pytest.raises(UnmatchedEdit, match="plug-and-play, features"):
        run(family.model(), prompts, latent, grid, lambda d, x, p: d.edited(source)(x, grid[0], p("source")))


def test_copies_of_the_network_on_other_devices_are_refused(model: Any) -> None:
    clone = model.clone()
    clone.model_options["multigpu_clones"] = {}
    with pytest.raises(ValueError, match="one device only"):
        inside(clone, lambda d, x, p: d.edited(features(given_back))(x, SIGMAS[1], p("source")))


def test_the_edit_is_that_of_diffusers(tmp_path: Path) -> None:
    file = tmp_path / "reference.safetensors"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    made = subprocess.run(
        [sys.executable, reference.__file__, str(file)], env=environment, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    wanted = load_file(str(file))
    toybox = comfy_loader.load_comfy("unet")[0]
    prompts = {name: [[wanted[name], {}]] for name in reference.CAPTIONS}
    xs, sigmas = wanted["xs"], wanted["sigmas"]

    def body(denoiser: Any, x: Any, prepared: Any) -> Any:
        def cond(name: str) -> Any:
            return prepared(name, "empty", reference.GUIDANCE)

        return [reference.edited(denoiser, xs, sigmas, cond, inject=inject) for inject in (False, True)]

    free, kept = run(toybox, prompts, xs[-1:], sigmas, body)
    torch.testing.assert_close(free, wanted["free"], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(kept, wanted["kept"], rtol=1e-3, atol=1e-3)
    assert (kept - free).abs().mean() > 0.05


def test_weights_that_are_cast_at_the_call_are_hooked_alike(model: Any) -> None:
    """As ComfyUI runs them where not all of the model fits."""
    layers = [m for m in model.model.diffusion_model.modules() if hasattr(m, "comfy_cast_weights")]

    def body(denoiser: Any, x: Any, prepared: Any) -> Any:
        doubled = features(lambda attend, q, k, v, site: 2 * v)
        return denoiser.edited(doubled)(x, SIGMAS[1], prepared("source")), denoiser(x, SIGMAS[1], prepared("source"))

    before = [layer.comfy_cast_weights for layer in layers]
    whole, plain = inside(model, body)
    try:
        for layer in layers:
            layer.comfy_cast_weights = True
        cast, _ = inside(model, body)
    finally:
        for layer, kept in zip(layers, before, strict=True):
            layer.comfy_cast_weights = kept
    assert layers and torch.equal(whole, cast) and not torch.equal(whole, plain)
