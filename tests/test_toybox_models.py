"""The toybox's models: tokenizer, folding, wrappers, and the weights' figures on a small sample."""

import pytest
import torch

from harness import toybox_ddim
from latent_inversion.toybox import judge, latents, loaders, models, text, weights, world
from latent_inversion.toybox.hosts.studios import load_studio
from latent_inversion.toybox.training import evaluate, muon

SCENES = 24


@pytest.fixture(scope="module")
def toybox():
    return loaders.load_diffusers()


@pytest.fixture(scope="module")
def studio():
    return load_studio()


@pytest.fixture(scope="module")
def scenes():
    return world.held_out_scenes(SCENES)


@pytest.fixture(scope="module")
def images(scenes):
    return world.render(scenes)


def test_every_word_of_the_world_is_one_token(toybox):
    for word in world.world_words():
        assert len(toybox.tokenizer(word).input_ids) == 3, word


def test_the_shipped_tokenizer_is_the_one_that_the_code_makes(tmp_path):
    text.write_tokenizer(tmp_path)
    for name in ("vocab.json", "merges.txt"):
        assert (tmp_path / name).read_bytes() == (weights.TOKENIZER / name).read_bytes()


@pytest.mark.parametrize("prompt", ["", "a zebra in Zürich", "漢字 😀", "night " * 100])
def test_any_prompt_can_be_encoded(toybox, prompt):
    ids = text.token_ids(toybox.tokenizer, [prompt])
    assert ids.shape == (1, models.TEXT_LENGTH)
    assert ids[0, 0] == toybox.tokenizer.bos_token_id
    assert ids[0, -1] == toybox.tokenizer.eos_token_id
    assert toybox.text_encoder(ids).last_hidden_state.isfinite().all()


def test_orthogonalised_matrices_have_singular_values_near_one():
    for shape in ((3, 16, 40), (2, 40, 16)):
        values = torch.linalg.svdvals(
            muon.orthogonalised(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
        )
        assert values.min() > 0.3
        assert values.max() < 1.5


def test_folding_keeps_pictures_and_normalises_latents():
    torch.manual_seed(0)
    vae = models.build_autoencoder().eval()
    picture = torch.rand(2, 3, 64, 64)
    before = latents.encode(vae, picture)
    shown = latents.decode(vae, before)
    std, mean = torch.std_mean(before, dim=(0, 2, 3))
    weights.fold_latent_statistics(vae, mean, std)
    after = latents.encode(vae, picture)
    assert torch.allclose(after.mean(dim=(0, 2, 3)), torch.zeros(16), atol=1e-4)
    assert torch.allclose(after.std(dim=(0, 2, 3)), torch.ones(16), atol=1e-4)
    assert torch.allclose(latents.decode(vae, after), shown, atol=1e-4)


def test_latents_are_normalised_and_the_autoencoder_holds_held_out_pictures(toybox, images, studio):
    x0 = latents.encode(toybox.vae, images)
    assert x0.mean().abs() < 0.1
    assert 0.85 < x0.std() < 1.15
    sampled = toybox.vae.encode(images[:2] * 2 - 1).latent_dist.sample()
    assert torch.allclose(sampled, x0[:2], atol=1e-4)  # the posterior is a point
    assert evaluate.autoencoder_figures(studio, SCENES)["autoencoder PSNR"] > 33


def test_the_epsilon_network_is_the_same_denoiser(toybox):
    wrapped = loaders.load_diffusers("epsilon")
    assert wrapped.scheduler.config.prediction_type == "epsilon"
    x = torch.randn((2, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    prompts = toybox_ddim.encode_prompts(toybox, ["a cat", "a dog at night"])
    for t in (1, 500, 999):
        alpha, sigma = models.signal_and_noise(torch.tensor(t))
        v = toybox.unet(x, t, prompts.cond).sample
        eps = wrapped.unet(x, t, encoder_hidden_states=prompts.cond).sample
        assert torch.allclose(alpha * x - sigma * v, (x - sigma * eps) / alpha, atol=2e-3)
    with pytest.raises(ValueError):
        loaders.load_diffusers("flow")


def test_the_noise_schedule_is_the_scheduler_s(toybox):
    alpha, sigma = models.signal_and_noise()
    assert torch.allclose(alpha.square(), toybox.scheduler.alphas_cumprod, atol=1e-5)
    assert torch.allclose(alpha.square() + sigma.square(), torch.ones(1000), atol=1e-6)


def test_the_judge_reads_renders_and_autoencoded_renders(studio):
    figures = evaluate.judge_figures(studio, 72)
    assert figures["judge on renders"] >= 0.99
    assert figures["judge on autoencoded renders"] >= 0.99


def test_the_judge_tells_right_edits_from_none():
    network, edits = loaders.load_judge(), world.held_out_edits(24)
    made = judge.edit_right(network, world.render([edit.target for edit in edits]), edits)
    unmade = judge.edit_right(network, world.render([edit.source for edit in edits]), edits)
    assert sum(verdict.right for verdict in made) >= 23
    assert sum(verdict.right for verdict in unmade) <= 1
    assert sum(verdict.kept_share for verdict in made) / len(made) > 0.97
    with pytest.raises(ValueError):
        judge.probabilities(network, torch.rand(1, 3, 64, 64))


def test_words_decide_the_picture_at_high_noise(studio, monkeypatch):
    monkeypatch.setitem(evaluate.LEVELS, "ve", evaluate.LEVELS["ve"][:1])
    figures = evaluate.text_gain(studio, SCENES)
    errors = [value for name, value in figures.items() if "14.6" in name]
    right, shuffled, _ = errors
    assert right < 0.5
    assert shuffled > 1.1


def test_pictures_drawn_from_noise_show_what_the_caption_says(toybox, scenes):
    network = loaders.load_judge()
    prompts = toybox_ddim.encode_prompts(toybox, [world.caption(scene) for scene in scenes])
    noise = torch.randn((SCENES, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    drawn = latents.decode(toybox.vae, toybox_ddim.sample(toybox, noise, prompts, guidance=3.0, steps=25))
    answers = [value for shown in judge.shows(network, drawn, scenes) for value in shown.values()]
    assert sum(answers) / len(answers) >= 0.9


def test_inversion_comes_back_at_guidance_one_and_fails_at_seven_and_a_half(studio):
    figures = evaluate.inversion_figures(studio, 8)
    faithful = figures["DDIM inversion + replay at guidance 1, PSNR"]
    assert faithful >= 30
    assert figures["DDIM inversion + replay at guidance 7.5, PSNR"] <= faithful - 6
