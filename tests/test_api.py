"""The front door in Python: images in and out, every method by name, files, progress, and sentences for usual mistakes."""

import ast
import warnings
from dataclasses import fields
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

import latent_inversion as li
from harness import tiny_diffusion, tiny_flow
from latent_inversion.api.inversion import Inversion
from latent_inversion.api.models import load_studio
from latent_inversion.api.request import EditRequest
from latent_inversion.inversion_core.dial import PRESETS, turned
from latent_inversion.inversion_core.inversions import INVERSIONS
from latent_inversion.inversion_core.methods import EDITORS
from latent_inversion.inversion_core.types import Cond

SOURCE, TARGET = "a photo of a cat", "a photo of a dog"
STEPS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_diffusion.write_pipeline(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def model(folder: Path) -> li.Model:
    return li.load(folder, device="cpu", progress=False)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """37 x 21 pixels of smooth colours."""
    y, x = np.mgrid[0:21, 0:37] / 36
    return np.rint(255 * np.stack([x, y, (x + y) / 2], -1)).astype(np.uint8)


@pytest.fixture(scope="module")
def inversion(model: li.Model, pixels: np.ndarray) -> li.Inversion:
    return model.invert(pixels, SOURCE, steps=STEPS)


def levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


# From photo to edit


def test_the_first_lines_do_what_they_say(tmp_path: Path, pixels: np.ndarray, folder: Path) -> None:
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    model = li.load(folder, progress=False)
    inversion = model.invert(tmp_path / "photo.png", SOURCE, steps=STEPS)
    result = inversion.edit(TARGET, strength=0.5)
    assert result.image.size == inversion.image.size == result.reconstruction.size == (37, 21)
    assert result.tensor.shape == (1, 3, 21, 37) and 0 <= result.tensor.min() <= result.tensor.max() <= 1
    assert result.verdict.outcome in ("same", "lost", "unheld", "edited") and result.source_psnr > 0
    assert result.change.size == (37, 21) and result.sheet.width > 3 * 256
    assert "EditResult(direct, 37 x 21" in repr(result) and "3 steps" in repr(inversion)


@pytest.mark.parametrize("method", EDITORS)
def test_every_method_edits_by_its_name(inversion: li.Inversion, method: str) -> None:
    result = inversion.edit(TARGET, method=method, steps=STEPS)
    assert result.method == method and result.image.size == (37, 21)
    assert (result.reconstruction is None) == (EDITORS[method].inversion is None)
    assert method in li.list_methods() and method in inversion.model.methods


def test_a_method_with_an_inversion_of_its_own_inverts_anew(model: li.Model, pixels: np.ndarray) -> None:
    stages = []
    known = model.invert(pixels, SOURCE, steps=STEPS, inversion="EDICT")
    for method in ("EDICT", "h-Edit-R"):
        known.edit(TARGET, method=method, steps=STEPS, progress=lambda step: stages.append(step.stage))
        assert ("invert" in stages) == (method == "h-Edit-R")
    later = model.invert(pixels, SOURCE, inversion=None)
    assert later.trajectory is None
    assert np.array_equal(
        later.edit(TARGET, steps=STEPS).pixels, model.invert(pixels, SOURCE, steps=STEPS).edit(TARGET).pixels
    )
    with pytest.raises(li.UserError, match="not inverted yet"):
        later.report()


def test_the_arguments_of_an_edit_are_those_of_a_request() -> None:
    """They are handed on by their places."""
    asked = [name for name in signature(Inversion.edit).parameters if name not in ("self", "progress")]
    assert asked == [one.name for one in fields(EditRequest)][: len(asked)]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_and_strength_are_the_dial(inversion: li.Inversion, preset: str) -> None:
    for strength in (0.0, 0.3, 1.0):
        request = EditRequest(TARGET, preset=preset, strength=strength)
        dial, settings = turned(preset, strength), request.settings_on(inversion.studio)
        assert request.dial == dial
        assert settings.guidance == settings.source_guidance == dial.guided(inversion.studio.guidance)
        assert settings.strength == pytest.approx(1 - dial.start)
    assert inversion.edit(TARGET, preset=preset, strength=0.3).settings.guidance == turned(preset, 0.3).guided(7.5)


def test_a_mask_keeps_what_lies_outside(inversion: li.Inversion, pixels: np.ndarray) -> None:
    mask = np.zeros((21, 37), bool)
    mask[4:9, 6:20] = True
    given = (mask, mask[..., None], Image.fromarray(mask), torch.from_numpy(mask), torch.from_numpy(mask)[None].float())
    edits = [inversion.edit(TARGET, mask=one).pixels for one in given]
    assert all(np.array_equal(one, edits[0]) for one in edits)
    assert np.array_equal(edits[0][~mask], pixels[~mask]) and not np.array_equal(edits[0][mask], pixels[mask])


def test_words_weights_and_regions_act(inversion: li.Inversion) -> None:
    plain = inversion.edit(TARGET).pixels
    for settings in (
        {"weights": {"dog": 3}, "cross": 1.0},
        {"share": "values"},
        {"guidance": 2},
    ):
        assert not np.array_equal(inversion.edit(TARGET, **settings).pixels, plain), settings
    assert not np.array_equal(inversion.edit(TARGET, method="FlowEdit", seed=1, steps=STEPS).pixels, plain)


def test_equal_prompts_are_said_and_a_file_takes_the_way_back(
    inversion: li.Inversion, tmp_path: Path, pixels: np.ndarray
) -> None:
    with pytest.warns(UserWarning, match="source and target are the same"):
        inversion.edit(SOURCE)
    path = inversion.save(tmp_path / "new" / "cat.safetensors")
    for given in (None, pixels):
        loaded = inversion.model.load_inversion(path, given)
        assert loaded.prompt == SOURCE and loaded.image.size == (37, 21)
        assert torch.equal(loaded.edit(TARGET).latent, inversion.edit(TARGET).latent)
    with pytest.raises(li.UserError, match="another image"):
        inversion.model.load_inversion(path, pixels[::-1])
    with pytest.raises(li.UserError, match=r"Use a name like cat\.safetensors"):
        inversion.save(tmp_path / "cat.png")
    with pytest.raises(ValueError, match="another model"):
        li.load("toybox", device="cpu").load_inversion(path)


def test_a_report_has_figures_advice_and_an_image(inversion: li.Inversion) -> None:
    report = inversion.report(guidance=4)
    assert report.image.width > 1000 and report.advice
    assert str(report).startswith("ceiling") and "guidance 4" in str(report) and "\n- " in str(report)
    assert report.ceiling.psnr > 0 and len(report.plain.drift) == STEPS + 1
    assert inversion.reconstruct().size == (37, 21)


# Models


def test_a_loaded_pipeline_is_the_folder_and_stays_as_it_is(folder: Path, model: li.Model, pixels: np.ndarray) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, feature_extractor=None)
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    ours = li.load(pipeline, progress=False)
    assert ours.studio.denoiser.identity == model.studio.denoiser.identity
    edited = [one.invert(pixels, SOURCE, steps=STEPS).edit(TARGET).pixels for one in (ours, model)]
    assert np.array_equal(*edited)
    assert all(torch.equal(value, before[name]) for name, value in pipeline.unet.state_dict().items())
    half = pipeline.to(torch.float16)
    assert li.load(half).studio.vae.dtype == torch.float32 and half.vae.dtype == torch.float16


def test_a_pipeline_of_rectified_flow(tmp_path: Path, pixels: np.ndarray) -> None:
    from diffusers import StableDiffusion3Pipeline

    parts = tiny_flow.sd3_parts(tmp_path)
    folder = tiny_flow.write_pipeline(tmp_path / "sd3", "StableDiffusion3Pipeline", parts)
    pipeline = StableDiffusion3Pipeline.from_pretrained(folder)
    edited = [
        li.load(one, progress=False).invert(pixels, SOURCE, steps=STEPS).edit(TARGET).pixels
        for one in (pipeline, folder)
    ]
    assert np.array_equal(*edited)


def test_a_single_file_is_read_as_its_kind_or_refused_in_a_sentence(
    tmp_path: Path, folder: Path, model: li.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "checkpoint.safetensors"
    save_file({"model.diffusion_model.out.2.bias": torch.zeros(4)}, path)
    with pytest.raises(ValueError, match=r"needs the model's configuration beside the weights.*save_pretrained"):
        li.load(path)
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, feature_extractor=None)
    monkeypatch.setattr(StableDiffusionPipeline, "from_single_file", lambda *a, **o: pipeline)
    assert li.load(path, device="cpu").studio.denoiser.identity == model.studio.denoiser.identity


MODELS = {
    "toybix": "There is no model 'toybix'. Did you mean 'toybox'?",
    "someone/stable-diffusion": "nothing is downloaded",
    "photo.ckpt": "no .safetensors file",
    "torn.safetensors": "cannot be read as a .safetensors file",
    "other.safetensors": "none of a model that is known, such as 'lora'",
    "trajectory.safetensors": "a saved trajectory",
    ".": "not a model folder",
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_no_model_is_said(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inversion: li.Inversion
) -> None:
    from safetensors.torch import save_file

    monkeypatch.chdir(tmp_path)
    for file in ("photo.ckpt", "torn.safetensors"):
        Path(file).write_bytes(b"nothing")
    save_file({"lora": torch.zeros(1)}, "other.safetensors")
    inversion.save("trajectory.safetensors")
    with pytest.raises(ValueError) as refused:
        li.load(name)
    assert MODELS[name] in str(refused.value)


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (
            tiny_diffusion.tiny_unet(),
            "This is a UNet2DConditionModel, which is one part of a model. Give the whole pipeline",
        ),
        (3, "This is a int. Give the name of a folder, or a pipeline"),
    ],
    ids=["UNet", "number"],
)
def test_what_is_only_a_part_of_a_model_is_said(thing: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        li.load(thing)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"device": "gpu"}, "The device 'gpu' cannot be used here"),
        ({"dtype": "float61"}, "Did you mean 'float16'?"),
        ({"scheduler": "simple"}, "leave `scheduler` out"),
    ],
)
def test_a_model_that_cannot_run_so_is_said(folder: Path, settings: dict[str, str], said: str) -> None:
    with pytest.raises(li.UserError) as refused:
        li.load(folder, **settings)
    assert said in str(refused.value)


def test_a_model_of_few_steps_is_edited_as_one(folder: Path, pixels: np.ndarray) -> None:
    model = li.load(folder, few_steps=True, progress=False)
    result = model.invert(pixels, SOURCE).edit(TARGET)
    assert result.settings.guidance == 1 and result.settings.steps == 4
    assert result.settings.strength == pytest.approx(0.8)
    assert "null-text" not in model.methods


# Images


def kinds(pixels: np.ndarray) -> dict[str, object]:
    tensor = torch.from_numpy(pixels.copy())
    image = Image.fromarray(pixels)
    return {
        "PIL": image,
        "RGBA": image.convert("RGBA"),
        "array": pixels,
        "batch of one": pixels[None],
        "fractions": pixels / 255,
        "whole numbers": pixels.astype(np.int64),
        "16 bits": pixels.astype(np.uint16) * 257,
        "tensor": tensor.permute(2, 0, 1),
        "tensor of a batch": (tensor.permute(2, 0, 1)[None] / 255),
        "with alpha": np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]),
    }


@pytest.mark.parametrize("kind", kinds(np.zeros((2, 2, 3), np.uint8)))
def test_images_of_every_kind_are_the_same_image(model: li.Model, pixels: np.ndarray, kind: str) -> None:
    assert np.array_equal(model.invert(kinds(pixels)[kind], inversion=None).pixels, pixels)


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16", "F", "CMYK", "LA"])
def test_pil_images_of_every_mode_are_read(model: li.Model, pixels: np.ndarray, mode: str) -> None:
    grey = Image.fromarray(pixels).convert("L")
    image = (
        Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
        if mode == "I;16"
        else Image.fromarray(pixels).convert(mode)
    )
    read = model.invert(image, inversion=None).pixels
    assert read.shape == (21, 37, 3)
    if mode in ("L", "I;16", "LA", "F"):
        assert np.abs(read[..., 0].astype(int) - np.asarray(grey)).max() <= 1


WRONG = {
    "channels first": (np.zeros((3, 21, 37), np.uint8), r"channels first.*array\.transpose\(1, 2, 0\)"),
    "channels last": (torch.zeros(21, 37, 3), r"channels last.*tensor\.movedim"),
    "a batch": (torch.zeros(4, 3, 21, 37), "Expected one image, but this is a batch of 4"),
    "a batch of arrays": (np.zeros((2, 21, 37, 3), np.uint8), "a batch of 2"),
    "a list": ([1, 2], "got a list of 2"),
    "nothing": (None, "got 'None'"),
    "fractions to 255": (np.full((4, 4, 3), 200.0), r"fractions from 200 to 200.*Divide by 255"),
    "fractions from -1": (np.linspace(-1, 1, 48).reshape(4, 4, 3), r"Give \(x \+ 1\) / 2"),
    "NaN": (np.full((4, 4, 3), np.nan), "NaN"),
    "too large": (np.full((4, 4, 3), 4000), r"must lie in 0\.\.255"),
    "two channels": (np.zeros((5, 5, 2), np.uint8), "has 2"),
    "a row": (np.zeros(5, np.uint8), "height"),
    "none at all": (np.zeros((0, 5, 3), np.uint8), "height"),
    "words": (np.full((4, 4, 3), "a"), "instead of numbers"),
    "no file": ("nowhere.png", "There is no image nowhere.png"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_image_is_said(model: li.Model, case: str) -> None:
    image, said = WRONG[case]
    with pytest.raises(li.UserError, match=said):
        model.invert(image, SOURCE)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (45, 30), (8, 61)])
def test_odd_sizes_come_back_as_they_were(model: li.Model, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert model.invert(pixels, SOURCE, steps=2).edit(TARGET).pixels.shape == pixels.shape


def test_a_large_image_is_noted_and_can_be_shrunk(model: li.Model) -> None:
    large = np.zeros((20, 2 * model.image_size + 1, 3), np.uint8)
    with pytest.warns(UserWarning, match=f"`size` {model.image_size} is faster"):
        model.invert(large, inversion=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert max(model.invert(large, inversion=None, size=16).size) == 16


# Edits that cannot be


MISTAKES = {
    "method": ({"method": "dirct"}, "There is no `method` 'dirct'. Did you mean 'direct'?"),
    "preset": ({"preset": "keep-the-shap"}, "Did you mean 'keep the shape'?"),
    "preset of another method": ({"preset": "balanced", "method": "FlowEdit"}, "Leave `preset` out"),
    "strength": ({"strength": 2}, "`strength` must be a number between 0 and 1; got '2'"),
    "guidance": ({"guidance": "much"}, "`guidance` must be a number"),
    "words": ({"words": "cat"}, "`words` must be a list of words"),
    "a word that there is not": ({"words": ["hat"]}, "'hat' is in neither prompt"),
    "a weighted word": ({"weights": {"hat": 2}}, "no word 'hat'"),
    "seed": ({"seed": 1}, "direct draws none. Leave `seed` out"),
    "mask": ({"mask": np.ones((4, 4), bool)}, "The mask is 4 x 4, but the image is 37 x 21"),
    "black mask": ({"mask": np.zeros((21, 37), bool)}, "black everywhere"),
    "coloured mask": ({"mask": np.ones((21, 37, 3), bool)}, "one channel"),
    "two regions": ({"mask": np.ones((21, 37), bool), "find_region": True}, "Use only one of the two"),
    "share": ({"share": "value"}, "Did you mean 'values'?"),
    "negative": ({"negative": "x", "method": "null-text"}, "sets its own negative prompt"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_an_edit_is_a_sentence_before_the_work(inversion: li.Inversion, case: str) -> None:
    settings, said = MISTAKES[case]
    with pytest.raises(ValueError) as refused:
        inversion.edit(TARGET, **settings, progress=lambda step: pytest.fail("work was done"))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("prompt", "said"), [("", "target prompt is empty"), (torch.zeros(1, 4), "must be a text"), (None, "NoneType")]
)
def test_a_prompt_that_is_none_is_said(inversion: li.Inversion, prompt: object, said: str) -> None:
    with pytest.raises(li.UserError, match=said):
        inversion.edit(prompt)
    if prompt != "":
        with pytest.raises(li.UserError, match=said):
            inversion.model.invert(inversion.pixels, prompt)


def test_an_inversion_that_there_is_not_is_said(model: li.Model, pixels: np.ndarray) -> None:
    with pytest.raises(li.UserError, match=r"There is no `inversion` 'dimm'\. Did you mean 'ddim'\?"):
        model.invert(pixels, SOURCE, inversion="dimm")
    assert set(li.list_inversions()) == set(INVERSIONS) and li.list_presets() == list(PRESETS)


def test_a_text_in_the_place_of_an_encoded_prompt_is_said(model: li.Model) -> None:
    with pytest.raises(ValueError, match=r"got the text 'a cat'.*encode_prompt"):
        model.studio.denoiser(torch.zeros(1, 4, 4, 4), torch.tensor(1.0, dtype=torch.float64), Cond("a cat"))


# Progress and cancel


def test_progress_is_told_or_drawn(inversion: li.Inversion, capsys: pytest.CaptureFixture[str]) -> None:
    done = []
    inversion.edit(TARGET, progress=lambda step: done.append((step.stage, step.index + 1, step.total)))
    assert done == [("edit", step, STEPS) for step in range(1, STEPS + 1)]
    inversion.edit(TARGET, progress=True)
    assert not capsys.readouterr().err, "a bar is for terminals"


def test_a_cancel_leaves_nothing_behind(
    model: li.Model, inversion: li.Inversion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(step: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    before = inversion.edit(TARGET, words=["cat"]).pixels
    hooks = {
        name: (len(m._forward_hooks), len(m._forward_pre_hooks))
        for name, m in model.studio.denoiser.network.named_modules()
    }
    for call in (
        lambda: model.invert(inversion.pixels, SOURCE, progress=stop),
        lambda: inversion.edit(TARGET, words=["cat"], progress=stop),
    ):
        with pytest.raises(KeyboardInterrupt):
            call()
    assert hooks == {
        name: (len(m._forward_hooks), len(m._forward_pre_hooks))
        for name, m in model.studio.denoiser.network.named_modules()
    }
    assert np.array_equal(inversion.edit(TARGET, words=["cat"]).pixels, before) and not list(tmp_path.iterdir())


# Denoisers of one's own


def towards(x: torch.Tensor, sigma: torch.Tensor, prompt: float) -> torch.Tensor:
    """The exact denoiser of one Gaussian around `prompt`."""
    return prompt + (x - prompt) / (1 + sigma**2).to(x)


@pytest.mark.parametrize("method", ["direct", "ddim", "EDICT", "FlowEdit", "edit-friendly DDPM"])
def test_a_function_is_edited_by_methods_of_the_table(method: str) -> None:
    x0, sigmas = torch.full((2, 3), 0.2), torch.linspace(3, 0, 9)
    edited = li.edit_latent(towards, x0, 0.0, 2.0, sigmas=sigmas, method=method)
    assert edited.shape == x0.shape and (edited > x0 + 0.5).all()
    guided = li.edit_latent(
        li.wrap_denoiser(towards), x0, 0.0, 2.0, sigmas=sigmas, method=method, guidance=2, negative=0.0
    )
    assert (guided > edited - 1e-6).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: li.wrap_denoiser(3), "A denoiser is a function"),
        (lambda: li.wrap_denoiser(tiny_diffusion.tiny_unet()), "Give the whole pipeline"),
        (lambda: li.wrap_denoiser(towards, "vf"), "Choose from: ve, rf"),
        (lambda: edit(lambda x, sigma, prompt: None), "it returned a NoneType"),
        (lambda: edit(lambda x, sigma, prompt: x[:1]), r"it returned a tensor \[1, 3\]"),
        (lambda: edit(towards, guidance=2), "prompt `negative`, which is missing"),
        (lambda: edit(towards, method="dirct"), "Did you mean 'direct'"),
    ],
)
def test_a_function_that_is_no_denoiser_is_said(call, said: str) -> None:
    with pytest.raises(li.UserError, match=said):
        call()


def edit(denoiser, **settings) -> torch.Tensor:
    return li.edit_latent(denoiser, torch.zeros(2, 3), 0.0, 1.0, sigmas=torch.linspace(3, 0, 4), **settings)


# The package


def test_the_package_names_what_it_offers() -> None:
    assert all(hasattr(li, name) for name in li.__all__) and set(li.__all__) <= set(dir(li))
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        li.lod  # noqa: B018
    assert (Path(li.__file__).parent / "py.typed").is_file()


def test_type_checkers_see_the_names_where_they_are_imported_from() -> None:
    tree = ast.parse(Path(li.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == li._HOMES and set(seen) == set(li.__all__)


def test_the_toybox_is_a_model() -> None:
    assert load_studio("toybox", device="cpu").trained_size == li.load(device="cpu").image_size == 128
