"""Folders of SD3 and Flux pipelines: words, grids and pictures as diffusers' own pipelines have them, and every command on them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline, StableDiffusion3Pipeline
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from PIL import Image

from harness import tiny_flow
from latent_inversion.api.models import load_toybox
from latent_inversion.command_line import main
from latent_inversion.inversion_core.backends.diffusers.folder import load_pipeline_folder
from latent_inversion.inversion_core.backends.diffusers.studio import Studio, flow_studio
from latent_inversion.inversion_core.backends.diffusers.text import TextEncoder, summarised_words
from latent_inversion.inversion_core.files import trajectory_file
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.integrate import replay

TEXT, LONG = "a photo of a red hat", "the cat " * 45


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, object]]:
    """The folder of each pipeline, and diffusers' own pipeline of the same parts."""
    places = {}
    for name, cls, make, without in (
        ("sd3", StableDiffusion3Pipeline, tiny_flow.sd3_parts, ()),
        ("sd3 without T5", StableDiffusion3Pipeline, tiny_flow.sd3_parts, ("tokenizer_3", "text_encoder_3")),
        ("flux", FluxPipeline, tiny_flow.flux_parts, ()),
    ):
        folder = tmp_path_factory.mktemp("flow")
        parts = make(folder) | dict.fromkeys(without)
        places[name] = tiny_flow.write_pipeline(folder, cls.__name__, parts), cls(**parts)
    return places


@pytest.fixture(scope="module", params=["sd3", "sd3 without T5", "flux"])
def pair(request: pytest.FixtureRequest, places) -> tuple[Studio, object]:
    folder, pipeline = places[request.param]
    return load_pipeline_folder(folder), pipeline


@pytest.fixture(scope="module")
def sd3(places) -> Studio:
    return load_pipeline_folder(places["sd3"][0])


@pytest.fixture(scope="module")
def flux(places) -> Studio:
    return load_pipeline_folder(places["flux"][0])


@pytest.mark.parametrize("text", [TEXT, "", "a zebra, of course: $ 12"])
def test_prompts_are_those_of_diffusers_own_pipeline(pair, text):
    studio, pipeline = pair
    if isinstance(pipeline, FluxPipeline):
        embedding, pooled, _ = pipeline.encode_prompt(text, device="cpu")
    else:
        embedding, _, pooled, _ = pipeline.encode_prompt(text, text, text, device="cpu")
    ours = studio.encode_prompt(text)
    torch.testing.assert_close(ours.embedding, embedding, rtol=1e-5, atol=5e-5)
    torch.testing.assert_close(ours.added["pooled"], pooled, rtol=1e-6, atol=1e-6)


def test_long_prompts_are_read_where_t5_reads_them(places):
    """CLIP's part is cut as diffusers cuts it; without T5, or beyond its length, words would be lost."""
    for name in ("sd3", "flux"):
        folder, pipeline = places[name]
        texts = (LONG,) * (1 if name == "flux" else 3)
        embedding = pipeline.encode_prompt(*texts, device="cpu")[0]
        ours = load_pipeline_folder(folder).encode_prompt(LONG)
        torch.testing.assert_close(ours.embedding, embedding, rtol=1e-5, atol=5e-5)
    with pytest.raises(ValueError, match="92 tokens, but the text encoder reads 77"):
        load_pipeline_folder(places["sd3 without T5"][0]).encode_prompt(LONG)
    with pytest.raises(ValueError, match="the text encoder reads 256"):
        load_pipeline_folder(places["sd3"][0]).encode_prompt(LONG * 4)


def test_grids_are_those_of_diffusers_own_pipeline(flux, sd3, places):
    """Flux's shift follows the picture's size; SD3's pipeline is told the even levels that end one step above 0."""
    x0, steps = torch.zeros(1, 4, 48, 32), 7
    even = np.linspace(1, 1 / steps, steps)
    scheduler = places["flux"][1].scheduler
    scheduler.set_timesteps(sigmas=even, mu=calculate_shift(24 * 16))
    torch.testing.assert_close(flux.grid(steps, x0), scheduler.sigmas.double(), rtol=0, atol=2e-7)
    scheduler.set_timesteps(sigmas=even, mu=calculate_shift(4096))
    torch.testing.assert_close(flux.grid(steps), scheduler.sigmas.double(), rtol=0, atol=2e-7)
    scheduler = places["sd3"][1].scheduler
    scheduler.set_timesteps(sigmas=even)
    for grid in (sd3.grid(steps), sd3.grid(steps, x0)):
        torch.testing.assert_close(grid, scheduler.sigmas.double(), rtol=0, atol=2e-7)


def test_pictures_become_latents_and_come_back(pair):
    studio, pipeline = pair
    assert studio.multiple == 4 and studio.trained_size == 2 * studio.side
    picture = torch.rand(2, 3, 24, 36, generator=torch.Generator().manual_seed(3))
    x0 = studio.encode_picture(picture)
    with torch.no_grad():
        mean = pipeline.vae.encode(2 * picture - 1).latent_dist.mean
    torch.testing.assert_close(x0, (mean - 0.06) * 1.5, rtol=1e-5, atol=1e-5)
    assert studio.decode(x0).shape == picture.shape
    cond = studio.cond(TEXT, 3.0)
    trajectory = invert(INVERSIONS["ddim"], studio.denoiser, x0, studio.grid(4, x0), studio.cond(TEXT))
    assert bool(torch.isfinite(replay(trajectory, studio.denoiser, cond).xs[-1]).all())
    with pytest.raises(ValueError, match="multiples of 4; got 18 x 24"):
        studio.encode_picture(picture[..., :18])


def test_guidance_is_classifier_free_or_an_input(sd3, flux):
    guided, distilled = sd3.cond(TEXT, 3.0, "a dog"), flux.cond(TEXT, 3.0)
    assert guided.guided and torch.equal(guided.uncond.embedding, sd3.encode_prompt("a dog").embedding)
    assert not distilled.guided and distilled.cond.added["guidance"].tolist() == [[3.0]]
    assert flux.cond(TEXT).cond.added["guidance"].tolist() == [[1.0]] and (sd3.guidance, flux.guidance) == (7.0, 3.5)
    with pytest.raises(ValueError, match="cannot lead away from 'a dog'"):
        flux.cond(TEXT, 3.0, "a dog")


def test_words_have_the_columns_of_every_encoder_that_the_network_reads(sd3, flux):
    """SD3: CLIP's 77 columns, then T5's; Flux reads T5's only. A piece of two words is both's."""
    tokens = sd3.prompt_tokens("A red zebra, the cat")
    assert [word.text for word in tokens.words] == ["A", "red", "zebra", ",", "the", "cat"]
    pieces = dict(enumerate(["▁", "A", "▁red", "▁", "z", "e", "b", "r", "a", ",", "▁the", "▁cat"], start=77))
    red, zebra, cat = (tokens.columns_of(word) for word in ("red", "zebra", "cat"))
    assert [pieces[c] for c in red if c >= 77] == ["▁red"] and [pieces[c] for c in cat if c >= 77] == ["▁cat"]
    assert "".join(pieces[c] for c in zebra if c >= 77) == "▁zebra" and len([c for c in zebra if c < 77]) == 5
    assert tokens.length == 77 + 256 == sd3.encode_prompt("a").embedding.shape[1]
    tokens = flux.prompt_tokens("A red cat")
    assert tokens.columns_of("cat") == (3,) and tokens.length == 512 == flux.encode_prompt("a").embedding.shape[1]
    behind = sd3.prompt_tokens("a café").columns_of("café")
    assert min(behind) < 77 < max(behind)


def toybox_of_random_weights() -> Studio:
    from diffusers import FlowMatchEulerDiscreteScheduler

    from harness.tiny_diffusion import seeded
    from latent_inversion.toybox.models import build_autoencoder, build_flow, build_text_encoder
    from latent_inversion.toybox.text import load_tokenizer, vocabulary
    from latent_inversion.toybox.weights import TOKENIZER

    model = seeded(lambda: build_text_encoder(len(vocabulary()))).eval()
    encoder = TextEncoder(load_tokenizer(TOKENIZER), model)
    return flow_studio(
        transformer=seeded(build_flow),
        vae=seeded(build_autoencoder),
        words=summarised_words(encoder),
        tokens=encoder.words,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        side=16,
        guidance=7.5,
    )


def test_the_toyboxs_transformer_is_a_studio_like_any_other():
    from latent_inversion.toybox.weights import WEIGHTS

    trained = (WEIGHTS / "transformer.safetensors").exists()
    studio = load_toybox(family="flow") if trained else toybox_of_random_weights()
    assert (studio.multiple, studio.trained_size, studio.denoiser.path.name) == (16, 128, "rf")
    cond, sigmas = studio.cond("a photo of a white cat"), studio.grid(6)
    assert sigmas.tolist() == pytest.approx([1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0])
    x0 = studio.encode_picture(torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(3)))
    trajectory = invert(INVERSIONS["fixed point"], studio.denoiser, x0, sigmas, cond)
    back = replay(trajectory, studio.denoiser, cond).xs[-1]
    assert float((back - x0).abs().max()) < 1e-3 or max(trajectory.residuals) > 1e-5


@pytest.mark.parametrize("sides", [(144, 128), (128, 144), (512, 512)])
def test_a_picture_beyond_the_transformers_places_is_refused_before_it_is_encoded(sides):
    studio = toybox_of_random_weights()
    with pytest.raises(ValueError, match=rf"at most 128 x 128, .* {sides[1]} x {sides[0]}. .*--resize 128"):
        studio.encode_picture(torch.rand(1, 3, *sides))
    with pytest.raises(ValueError, match="knows places for 8 x 8 pieces"):
        studio.denoiser(
            torch.zeros(1, 16, *(side // 8 for side in sides)),
            torch.tensor(0.5, dtype=torch.float64),
            studio.cond("a cat"),
        )


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 255, (26, 38, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


FAST = ["--steps", "3", "--quiet", "--device", "cpu"]
PLAIN = ["--cross", "0", "--self", "0"]


@pytest.mark.parametrize("name", ["sd3", "flux"])
def test_every_command_works_on_flow_models(name, places, photo, capsys):
    base = [str(photo), "--model", str(places[name][0]), *FAST]
    assert main(["invert", *base, "--prompt", TEXT, "--inversion", "fixed-point", "-o", "t.safetensors"]) == 0
    trajectory = trajectory_file.load_trajectory("t.safetensors")
    assert trajectory.path.name == "rf" and trajectory.sigmas[0] == 1 and trajectory.shape == (1, 4, 14, 20)
    held = ["--trajectory", "t.safetensors"]
    assert main(["edit", *base, *held, "--target", "a photo of a red cat", *PLAIN]) == 0
    assert Image.open("photo.edited.png").size == (38, 26)
    assert main(["report", *base, *held]) == 0
    out = capsys.readouterr().out
    assert f"retraced, guidance {'3.5' if name == 'flux' else '7'} " in out and "noise " in out


def test_null_text_and_negative_prompt_on_the_command_line(places, photo, capsys):
    words = ["--source", TEXT, "--target", "a cat", *PLAIN, *FAST]
    for method in ("null-text", "negative-prompt"):
        asked = ["edit", str(photo), "--method", method, *words]
        assert main([*asked, "--model", str(places["sd3"][0])]) == 0
        capsys.readouterr()
        assert main([*asked, "--model", str(places["flux"][0])]) == 2
        assert "this model does not have: guidance was distilled into the model" in capsys.readouterr().err


def test_attention_control_reaches_a_transformer_too(places, photo, capsys):
    asked = ["edit", str(photo), "--model", str(places["sd3"][0]), "--source", TEXT, "--target", "a cat", *FAST]
    ends = {"free": PLAIN, "held": ["--cross", "0", "--self", "1"]}
    for name, more in ends.items():
        assert main([*asked, *more, "-o", f"{name}.png"]) == 0
    assert "attention memory" in capsys.readouterr().out
    free, held = (np.asarray(Image.open(f"{name}.png")) for name in ends)
    assert not np.array_equal(free, held)
