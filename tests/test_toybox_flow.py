"""The toybox's rectified-flow DiT: its training, its loader, and the weights' figures on a small sample."""

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from harness import toybox_euler
from latent_inversion.toybox import judge, latents, loaders, models, text, weights, world
from latent_inversion.toybox.hosts.studios import load_studio
from latent_inversion.toybox.training import denoising, evaluate, muon
from latent_inversion.toybox.training import flow as train_flow

SCENES = 16


@pytest.fixture(scope="module")
def toybox():
    return loaders.load_flow()


@pytest.fixture(scope="module")
def studio():
    return load_studio("flow")


@pytest.fixture(scope="module")
def data(toybox):
    """What a training reads, small: 8 latents with captions."""
    captions = [world.caption(scene) for scene in world.held_out_scenes(8)]
    ids = text.token_ids(toybox.tokenizer, captions)[:, None].expand(-1, denoising.CAPTIONS, -1)
    x0 = torch.randn((8, 16, 16, 16), generator=torch.Generator().manual_seed(1))
    return denoising.CaptionedLatents(x0, ids, text.token_ids(toybox.tokenizer, [""])[0])


def test_a_batch_is_the_same_for_the_same_step_and_drops_some_captions(data):
    first, again = denoising.batch_of(data, 3), denoising.batch_of(data, 3)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not torch.equal(first.noise, denoising.batch_of(data, 4).noise)
    batches = [denoising.batch_of(data, step) for step in range(40)]
    dropped = torch.cat([(batch.ids == data.empty).all(1) for batch in batches]).float().mean()
    assert 0.07 < dropped < 0.13
    assert all(
        (batch.spread.sort().values - torch.arange(64) / 64).ge(0).all() and batch.spread.max() < 1 for batch in batches
    )


def test_noise_levels_cover_all_and_favour_noise():
    sigmas = train_flow.noise_levels(torch.arange(1001) / 1000)
    assert sigmas[0] == 0
    assert sigmas[-1] == 1
    assert (sigmas.diff() > 0).all()
    assert (sigmas > 0.5).float().mean() == pytest.approx(5 / 7, abs=0.01)


def test_training_starts_from_a_velocity_of_zero_and_learns(toybox, data):
    torch.manual_seed(0)
    transformer = models.build_flow()
    train_flow.start_quiet(transformer)
    batch = denoising.Batch(*(part[::4] for part in denoising.batch_of(data, 0)))
    loss = train_flow.flow_loss(transformer, toybox.text_encoder, batch, "cpu")
    assert loss.item() == pytest.approx(mse_loss(batch.noise, batch.x0).item(), rel=1e-4)
    rates = muon.optimizers(transformer, matrix_lr=0.02, lr=2e-3, plain=train_flow.PLAIN)
    for _ in range(5):
        loss = train_flow.flow_loss(transformer, toybox.text_encoder, batch, "cpu")
        loss.backward()
        for rate in rates:
            rate.step()
            rate.zero_grad()
    assert loss.item() < 0.97 * mse_loss(batch.noise, batch.x0).item()
    assert all(parameter.grad is None for parameter in toybox.text_encoder.parameters())


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(denoising, "EXPORT_EVERY", 3)

    def trained(name: str, stops: list[int]) -> list[torch.Tensor]:
        for until in stops:
            torch.manual_seed(0)
            network, exported = nn.Linear(3, 3), []
            rates = [torch.optim.AdamW(network.parameters(), lr=0.1)]
            monkeypatch.setattr(denoising, "set_rates", lambda *_, **__: None)  # the rates depend on the length
            denoising.train(
                network,
                lambda step, network=network: (network(torch.full((1, 3), step + 1.0)) - 1).square().mean(),
                rates,
                lambda average, exported=exported: exported.append(average.weight.clone()),
                checkpoint=tmp_path / f"{name}.pt",
                steps=until,
            )
        return [exported[-1], network.weight.detach()]

    for one, other in zip(trained("whole", [7]), trained("stopped", [3, 7]), strict=True):
        assert torch.equal(one, other)


def test_all_weights_are_half_precision_and_small():
    files = sorted(weights.WEIGHTS.glob("*.safetensors"))
    assert {file.stem for file in files} == {"controlnet", "judge", "text_encoder", "transformer", "unet", "vae"}
    assert sum(file.stat().st_size for file in files) <= 40 * 2**20
    for parameter in loaders.load_flow().transformer.parameters():
        assert torch.equal(parameter, parameter.half().float())


def test_the_scheduler_takes_the_sampler_s_steps(toybox):
    prompts = toybox_euler.encode_prompts(toybox, ["a photo of a white cat"])
    x = noise = torch.randn((1, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    toybox.scheduler.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25])
    for t in toybox.scheduler.timesteps:
        velocity = toybox_euler.predict_velocity(toybox, x, float(t) / 1000, prompts)
        x = toybox.scheduler.step(velocity, t, x).prev_sample
    assert torch.allclose(x, toybox_euler.sample(toybox, noise, prompts, guidance=1.0, steps=4), atol=1e-4)


def test_guidance_goes_beyond_the_empty_caption(toybox):
    prompts, empty = (toybox_euler.encode_prompts(toybox, [caption]) for caption in ("a black dog", ""))
    x = torch.randn((1, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    cond, uncond = (toybox_euler.predict_velocity(toybox, x, 0.9, words) for words in (prompts, empty))
    guided = toybox_euler.predict_velocity(toybox, x, 0.9, prompts, 3.0)
    assert torch.allclose(guided, uncond + 3 * (cond - uncond), atol=1e-3)
    assert (cond - uncond).abs().mean() > 0.05


def test_words_decide_the_picture_at_high_noise(studio, monkeypatch):
    """Latents of scenes alike in all that a caption can name vary by 0.54: at sigma 1 no network errs by less."""
    monkeypatch.setitem(evaluate.LEVELS, "rf", evaluate.LEVELS["rf"][:3])
    figures = evaluate.text_gain(studio, 24)
    for sigma, floor in (("1.00", 0.6), ("0.94", 0.5)):  # 0.94: as much noise as in the UNet's test
        assert figures[f"x0 error at sigma {sigma}, right captions"] < floor
        assert figures[f"x0 error at sigma {sigma}, shuffled captions"] > 1.1


def test_pictures_drawn_from_noise_show_what_the_caption_says(toybox):
    scenes = world.held_out_scenes(SCENES)
    prompts = toybox_euler.encode_prompts(toybox, [world.caption(scene) for scene in scenes])
    noise = torch.randn((SCENES, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    drawn = latents.decode(toybox.vae, toybox_euler.sample(toybox, noise, prompts, guidance=3.0, steps=25))
    answers = [value for shown in judge.shows(loaders.load_judge(), drawn, scenes) for value in shown.values()]
    assert sum(answers) / len(answers) >= 0.9


def test_inversion_comes_back_at_guidance_one_and_fails_at_seven_and_a_half(studio):
    figures = evaluate.inversion_figures(studio, 8)
    faithful = figures["Euler inversion + replay at guidance 1, PSNR"]
    assert faithful >= 30
    assert figures["Euler inversion + replay at guidance 7.5, PSNR"] <= faithful - 6
