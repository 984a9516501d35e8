"""The toybox in ComfyUI is the toybox in diffusers: the same tokens, embeddings, latents and predictions."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import comfy.lora
import comfy.model_base
import comfy.sample
import comfy.samplers
import pytest
import torch
from safetensors.torch import load_file

from harness import toybox_reference
from harness.toybox_reference import CAPTIONS, INDICES, SIGMAS, normal
from latent_inversion.inversion_core.backends.comfy.denoiser import run
from latent_inversion.inversion_core.backends.comfy.identity import fingerprint_of
from latent_inversion.toybox import weights
from latent_inversion.toybox.hosts import comfy_loader


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of untrained networks, and what they give in diffusers and transformers."""
    folder = tmp_path_factory.mktemp("toybox")
    script = Path(toybox_reference.__file__)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run([sys.executable, str(script), str(folder)], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def expected(reference: Path) -> dict[str, torch.Tensor]:
    return load_file(str(reference / "expected.safetensors"))


@pytest.fixture(scope="module")
def hosted(reference: Path) -> dict[str, Any]:
    loaders = {
        "unet": comfy_loader.load_unet,
        "transformer": comfy_loader.load_flow,
        "text_encoder": comfy_loader.load_clip,
        "vae": comfy_loader.load_vae,
    }
    with torch.inference_mode():
        return {name: load(load_file(str(reference / f"{name}.safetensors"))) for name, load in loaders.items()}


def test_tokens(expected: dict[str, torch.Tensor], hosted: dict[str, Any]) -> None:
    for caption, ids in zip(CAPTIONS, expected["ids"], strict=True):
        (chunk,) = hosted["text_encoder"].tokenize(caption)["l"]
        assert [token for token, _ in chunk] == ids.tolist()


@torch.inference_mode()
def test_embeddings(expected: dict[str, torch.Tensor], hosted: dict[str, Any]) -> None:
    clip = hosted["text_encoder"]
    for caption, embedding, pooled in zip(CAPTIONS, expected["embeddings"], expected["pooled"], strict=True):
        ((ours, more),) = clip.encode_from_tokens_scheduled(clip.tokenize(caption))
        torch.testing.assert_close(ours[0], embedding, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(more["pooled_output"][0], pooled, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_long_prompts_go_on_in_a_second_chunk(hosted: dict[str, Any]) -> None:
    clip = hosted["text_encoder"]
    ((ours, _),) = clip.encode_from_tokens_scheduled(clip.tokenize("a cat " * 40))
    assert ours.shape[1] > 32 and ours.shape[1] % 32 == 0


@torch.inference_mode()
def test_latents_and_pictures(expected: dict[str, torch.Tensor], hosted: dict[str, Any]) -> None:
    vae, pictures = hosted["vae"], toybox_reference.pictures().movedim(1, -1)
    torch.testing.assert_close(vae.encode(pictures), expected["latents"], rtol=1e-3, atol=1e-3)
    decoded = expected["decoded"].movedim(1, -1)
    torch.testing.assert_close(vae.decode(expected["latents"]), decoded, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("index", INDICES)
@torch.inference_mode()
def test_predictions(expected: dict[str, torch.Tensor], hosted: dict[str, Any], index: int) -> None:
    table = hosted["unet"].get_model_object("model_sampling").sigmas.double()
    sigma, z = table[index], normal(2, 16, 16, 24)
    x = z * (1 + sigma**2).sqrt().float()
    wanted = x / (1 + sigma**2) - expected[f"v{index}"] * sigma / (1 + sigma**2).sqrt()
    prompts = {"source": [[normal(1, 32, 128, seed=3), {}]]}
    grid = torch.tensor([1.0, 0.0], dtype=torch.float64)
    ours = run(hosted["unet"], prompts, z, grid, lambda denoiser, _, prepared: denoiser(x, sigma, prepared("source")))
    torch.testing.assert_close(ours, wanted.float(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sigma", SIGMAS)
@torch.inference_mode()
def test_flow_predictions(expected: dict[str, torch.Tensor], hosted: dict[str, Any], sigma: float) -> None:
    x = normal(2, 16, 16, 16)
    wanted = x - sigma * expected[f"velocity{sigma}"]
    prompt = [[normal(1, 32, 128, seed=3), {"pooled_output": normal(1, 128, seed=4)}]]
    ours = predicted(hosted["transformer"], prompt, x, sigma)
    torch.testing.assert_close(ours, wanted, rtol=1e-3, atol=1e-3)


def predicted(model: Any, prompt: list[Any], x: torch.Tensor, sigma: float) -> torch.Tensor:
    """The clean latents that ComfyUI's own sampling predicts at x, at guidance 1."""

    def asked_once(network: Any, noised: torch.Tensor, sigmas: torch.Tensor, extra_args: Any, **_: Any) -> torch.Tensor:
        return network(x, sigmas[:1].expand(len(x)), **extra_args)

    sampler, sigmas, empty = comfy.samplers.KSAMPLER(asked_once), torch.tensor([sigma, 0.0]), torch.zeros_like(x)
    return comfy.sample.sample_custom(model, empty, 1.0, sampler, sigmas, prompt, prompt, empty, disable_pbar=True)


@torch.inference_mode()
def test_flow_pictures_from_words(expected: dict[str, torch.Tensor], hosted: dict[str, Any]) -> None:
    """Guided sampling from a prompt: hidden and pooled states both reach the network."""
    clip, noise = hosted["text_encoder"], normal(1, 16, 16, 16)
    positive, negative = (clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in (CAPTIONS[0], ""))
    sigmas, sampler = torch.tensor([1.0, 0.75, 0.5, 0.25, 0.0]), comfy.samplers.sampler_object("euler")
    ours = comfy.sample.sample_custom(
        hosted["transformer"],
        noise,
        3.0,
        sampler,
        sigmas,
        positive,
        negative,
        torch.zeros_like(noise),
        disable_pbar=True,
    )
    torch.testing.assert_close(ours, expected["drawn"], rtol=1e-3, atol=1e-3)


def test_the_flow_model_has_evenly_spaced_sigmas(hosted: dict[str, Any]) -> None:
    table = hosted["transformer"].get_model_object("model_sampling").sigmas
    torch.testing.assert_close(table, torch.arange(1, 1001) / 1000)


def test_fingerprint(reference: Path, hosted: dict[str, Any]) -> None:
    assert fingerprint_of(hosted["unet"]) == (reference / "fingerprint").read_text()


@pytest.mark.parametrize("name", ["unet", "transformer"])
@torch.inference_mode()
def test_ksampler_takes_it(hosted: dict[str, Any], name: str) -> None:
    prompt = [[normal(1, 32, 128), {"pooled_output": normal(1, 128)}]]
    latent = torch.zeros(1, 16, 16, 16)
    noise = comfy.sample.prepare_noise(latent, 1)
    out = comfy.sample.sample(
        hosted[name], noise, 2, 4.0, "euler", "normal", prompt, prompt, latent, disable_pbar=True, seed=1
    )
    assert out.shape == latent.shape and bool(torch.isfinite(out).all())


@torch.inference_mode()
def test_loras_find_their_weights(hosted: dict[str, Any]) -> None:
    """As LoraLoader does: a LoRA in diffusers' names on every attention matrix."""
    names = comfy.lora.model_lora_keys_unet(hosted["unet"].model, {})
    weights = hosted["unet"].model.state_dict()
    keys = [key for key in names if key.endswith("attn2_to_k") and key.startswith("lora_unet_down_blocks_0_")]
    assert len(keys) == 1
    rows, columns = weights[names[keys[0]]].shape
    lora = {f"{keys[0]}.lora_up.weight": normal(rows, 4), f"{keys[0]}.lora_down.weight": normal(4, columns, seed=1)}
    patches = comfy.lora.load_lora(lora, names)
    patched = hosted["unet"].clone()
    assert patched.add_patches(patches, 1.0) == [names[keys[0]]]
    assert fingerprint_of(patched).startswith(fingerprint_of(hosted["unet"]) + "+")


@pytest.mark.parametrize("name", ["unet", "transformer"])
def test_missing_weights_are_refused(reference: Path, name: str) -> None:
    load = {"unet": comfy_loader.load_unet, "transformer": comfy_loader.load_flow}[name]
    state = load_file(str(reference / f"{name}.safetensors"))
    state["other.weight"] = state.pop(next(key for key in state if key.endswith("to_k.weight")))
    with pytest.raises(ValueError, match="1 are missing, 1 are unknown"):
        load(state)


@pytest.mark.parametrize("family", ["unet", "flow"])
def test_missing_files_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, family: Any) -> None:
    monkeypatch.setattr(weights, "WEIGHTS", tmp_path)
    with pytest.raises(FileNotFoundError, match="Install the pack again"):
        comfy_loader.load_comfy(family)


def test_a_flow_state_is_left_as_it_was(reference: Path) -> None:
    state = load_file(str(reference / "transformer.safetensors"))
    before = {name: value.clone() for name, value in state.items()}
    comfy_loader.load_flow(state)
    assert state.keys() == before.keys() and all(torch.equal(state[name], before[name]) for name in state)


@pytest.mark.parametrize("choice", ["UNet (v-prediction)", "DiT (rectified flow)"])
def test_the_node_loads_the_model_that_it_names(choice: str) -> None:
    from latent_inversion.nodes.toybox.loader import InversionToyboxLoader

    (combo,) = InversionToyboxLoader.define_schema().inputs
    assert choice in combo.options and combo.default == "UNet (v-prediction)"
    model, _, vae = InversionToyboxLoader.execute(choice).result
    kind = comfy.model_base.ModelType.FLOW if "flow" in choice else comfy.model_base.ModelType.V_PREDICTION
    assert model.model.model_type is kind and vae.latent_channels == 16


def test_no_weight_is_left_unset() -> None:
    """Two loads give the same bytes, also where the weights' file has none."""
    states = []
    for number in range(2):
        junk = [torch.full((1 << 14,), float(number)) for _ in range(200)]  # what fresh memory may hold
        del junk
        states.append(comfy_loader.load_comfy("unet")[1].cond_stage_model.state_dict())
    first, second = states
    assert all(torch.equal(first[name], second[name]) for name in first)
    (name,) = (name for name in first if name.endswith("text_projection.weight"))
    assert torch.equal(first[name].float(), torch.eye(len(first[name])))
