"""The nodes in a real ComfyUI: pictures in, pictures out, the stock nodes beside them, and everything that may go wrong."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from harness.events import Event, ExecutionFailed
from harness.graph import Graph
from harness.server import ComfyServer, PromptRejected
from harness.studio import STEPS, Studio, error_of, pixels
from latent_inversion.toybox.weights import WEIGHTS

NEWEST = pytest.mark.newest_only(
    "a node's own check, or the pack's own arithmetic, on values that do not depend on ComfyUI's version"
)


def failure(server: ComfyServer, studio: Studio, latent: Any) -> str:
    """The sentence that a user reads when this latent is asked for."""
    studio.show(latent)
    with pytest.raises(ExecutionFailed) as failed:
        server.run(studio.graph.prompt)
    return failed.value.result.error["exception_message"]


# What it is for


def test_a_picture_is_inverted_reconstructed_and_edited(comfy_server: ComfyServer, studio: Studio) -> None:
    edited = studio.sample(attention_edit=studio.attention, guidance=4.0)
    original = studio.graph.add("PreviewImage", images=studio.scene)
    ceiling, back, changed = (studio.show(lat) for lat in (studio.latent, edited[1], edited[0]))
    same = studio.compare(edited[1], studio.latent)
    result = comfy_server.run(studio.graph.prompt)
    ceiling, back, changed, original = (
        pixels(comfy_server.images(result, node.id)[0]) for node in (ceiling, back, changed, original)
    )
    assert original.shape == back.shape == (128, 128, 3)
    assert error_of(result, same) == 0 or error_of(result, same) < 1e-6
    assert np.array_equal(back, ceiling), "the anchored source is the encoded picture itself"
    assert np.abs(back - original).mean() < 6
    assert np.abs(changed - back).mean() > 3, "the edit changed nothing"
    values = [data["max"] for data in result.of_type("progress") if data["node"] == studio.inverted.id]
    assert set(values) == {STEPS}
    assert len(result.of_type("preview")) >= 2


def test_stock_nodes_replay_the_trajectory(comfy_server: ComfyServer, studio: Studio) -> None:
    graph = studio.graph
    ours = studio.sample(target=studio.source, guidance=1.0, anchor="none")
    guider = graph.add("BasicGuider", model=studio.model, conditioning=studio.source)
    euler = graph.add("KSamplerSelect", sampler_name="euler")
    given = {"guider": guider, "sampler": euler, "sigmas": studio.inverted[2]}
    empty = graph.add("DisableNoise")
    replays = [
        graph.add("SamplerCustomAdvanced", noise=empty, latent_image=studio.inverted[1], **given),
        graph.add("SamplerCustomAdvanced", noise=studio.inverted[3], latent_image=studio.latent, **given),
    ]
    errors = [studio.compare(replay, ours) for replay in (*replays, ours[1])]
    pictures = [studio.show(latent) for latent in (replays[0], ours[0])]
    result = comfy_server.run(graph.prompt)
    assert max(error_of(result, node) for node in errors) < 1e-4
    stock, own = (pixels(comfy_server.images(result, node.id)[0]) for node in pictures)
    assert np.abs(stock - own).max() <= 1


def test_rectified_flow_is_replayed_by_stock_nodes_too(comfy_server: ComfyServer, graph: Graph) -> None:
    model, prompt = graph.add("TestModel", kind="sd3"), graph.add("TestPrompt", seed=1)
    latent = graph.add("TestLatent", channels=16)
    inverted = graph.add(
        "InversionDDIMInvert",
        model=model,
        latent=latent,
        source=prompt,
        steps=STEPS,
        scheduler="simple",
        method="fixed point",
    )
    replay = graph.add(
        "SamplerCustomAdvanced",
        noise=inverted[3],
        guider=graph.add("BasicGuider", model=model, conditioning=prompt),
        sampler=graph.add("KSamplerSelect", sampler_name="euler"),
        sigmas=inverted[2],
        latent_image=latent,
    )
    given = {"model": model, "trajectory": inverted, "source": prompt, "target": prompt, "negative": prompt}
    ours = graph.add("InversionEditSampler", guidance=1.0, anchor="none", **given)
    compared = graph.add("TestCompare", a=replay, b=ours)
    result = comfy_server.run(graph.prompt)
    assert error_of(result, compared) < 1e-5


@pytest.mark.parametrize("size", [(100, 75), (1, 1), (64, 128)])
def test_any_size_comes_back_and_outside_the_mask_nothing_changes(
    comfy_server: ComfyServer, graph: Graph, size: tuple[int, int]
) -> None:
    (width, height), edge = size, max(1, size[0] // 2)
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    noise[..., 3] = np.where(np.arange(width) < edge, 0, 255)  # LoadImage: transparent is masked
    name = comfy_server.upload_image(f"size{width}x{height}.png", Image.fromarray(noise))
    loaded, studio = graph.add("LoadImage", image=name), Studio(graph, steps=2)
    studio.latent = graph.add("InversionEncode", image=loaded, vae=studio.vae, mask=loaded[1])
    studio.inverted = studio.invert(steps=2)
    edited = studio.sample(guidance=3.0)
    shown = studio.show(edited, original=loaded, mask=loaded[1])
    before = graph.add("PreviewImage", images=loaded)
    result = comfy_server.run(graph.prompt)
    after, before = (pixels(comfy_server.images(result, node.id)[0]) for node in (shown, before))
    assert after.shape == (height, width, 3)
    assert np.array_equal(after[:, edge:], before[:, edge:])
    assert not np.array_equal(after[:, :edge], before[:, :edge])


def test_null_text_holds_the_source_under_guidance(comfy_server: ComfyServer, studio: Studio) -> None:
    null_text = studio.null_text(inner_steps=5)
    held, plain = (studio.sample(anchor="none", **more) for more in ({"null_text": null_text}, {}))
    closed = studio.sample(anchor="none", unconditional="source prompt")
    errors = [studio.compare(node[1], studio.latent) for node in (held, plain, closed)]
    text = studio.graph.add("PreviewAny", source=null_text[1])
    left = studio.leftovers()
    result = comfy_server.run(studio.graph.prompt)
    with_it, without, closed_form = (error_of(result, node) for node in errors)
    assert with_it < without and closed_form < without
    assert "guidance 7.5" in str(result.outputs[text.id])
    assert result.outputs[left.id]["weights"][1] == 0, "weights were left with gradients"


def test_the_report_measures_and_advises(comfy_server: ComfyServer, studio: Studio) -> None:
    edited = studio.sample(anchor="none")
    picture = studio.graph.add("InversionDecode", latent=edited[1], vae=studio.vae)
    report = studio.graph.add(
        "InversionReport",
        original=studio.scene,
        reconstruction=picture,
        trajectory=studio.inverted,
        vae=studio.vae,
        reconstructed=edited[1],
    )
    result = comfy_server.run(studio.graph.prompt)
    (text,) = result.outputs[report.id]["text"]
    for part in ("PSNR", "SSIM", "autoencoder ceiling", "drift at the end", "inverted noise", "direct"):
        assert part in text, text
    (sheet,) = comfy_server.images(result, report.id)
    assert sheet.width > 1000 and sheet.height > 600


@NEWEST
def test_local_blend_keeps_the_rest(comfy_server: ComfyServer, studio: Studio) -> None:
    masked = studio.sample(guidance=4.0, mask=studio.scene[4])
    words = studio.edit(mode="blend only", blend_source_words="shirt", blend_target_words="shirt", blend_start=0.0)
    by_words = studio.sample(guidance=4.0, attention_edit=words)
    free = studio.sample(guidance=4.0)
    errors = [studio.compare(node[0], studio.latent) for node in (masked, by_words, free)]
    result = comfy_server.run(studio.graph.prompt)
    inside_mask, inside_words, everywhere = (error_of(result, node) for node in errors)
    assert inside_words < everywhere
    assert inside_mask <= everywhere


# ComfyUI's own nodes on the same models


def test_ksampler_and_lora_take_the_toybox(comfy_server: ComfyServer, studio: Studio) -> None:
    graph, folder = studio.graph, comfy_server.base / "models" / "loras"
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    up, down = (torch.randn(shape, generator=generator) for shape in ((64, 4), (4, 128)))
    save_file({f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}, str(folder / "toy.safetensors"))
    lora = graph.add("LoraLoaderModelOnly", model=studio.model, lora_name="toy.safetensors", strength_model=0.5)
    latent = graph.add("TestLatent", channels=16)
    sampled = graph.add(
        "KSampler", model=lora, positive=studio.source, negative=studio.negative, latent_image=latent, steps=2, seed=1
    )
    decoded = graph.add("PreviewImage", images=graph.add("VAEDecode", samples=sampled, vae=studio.vae))
    studio.inverted = studio.invert(model=lora, steps=3)
    edited = studio.sample(model=lora)
    same, moved = studio.compare(edited[1], studio.latent), studio.compare(edited[0], studio.latent)
    result = comfy_server.run(graph.prompt)
    assert comfy_server.images(result, decoded.id)[0].size == (64, 64)
    assert error_of(result, same) < 1e-6 < error_of(result, moved)
    message = failure(comfy_server, studio, studio.sample(model=studio.model))
    assert "another model" in message and "LoRA" in message


def test_areas_and_combined_prompts_stay_comfyuis(comfy_server: ComfyServer, studio: Studio) -> None:
    graph = studio.graph
    area = graph.add("ConditioningSetArea", conditioning=studio.target, width=64, height=128, x=0, y=0, strength=1.0)
    both = graph.add("ConditioningCombine", conditioning_1=studio.source, conditioning_2=area)
    edited = studio.sample(target=both, guidance=4.0)
    whole = studio.sample(target=studio.target, guidance=4.0)
    errors = [studio.compare(edited[0], studio.latent), studio.compare(whole[0], edited[0])]
    result = comfy_server.run(graph.prompt)
    assert all(error_of(result, node) > 1e-3 for node in errors)
    assert "has 2 parts" in failure(comfy_server, studio, studio.sample(null_text=studio.null_text(empty=both)))


# Cancel, errors, queue


@pytest.mark.parametrize("where", ["invert", "null text"])
def test_a_cancelled_run_leaves_nothing_behind(
    comfy_server: ComfyServer, another: Callable[..., Studio], where: str
) -> None:
    first = another()
    before = first.leftovers()
    seen = comfy_server.run(first.graph.prompt).outputs[before.id]
    studio = another(steps=200 if where == "invert" else STEPS)
    node = studio.inverted if where == "invert" else studio.null_text(inner_steps=400, early_stop=0.0)
    studio.show(studio.sample(null_text=node) if where == "null text" else studio.inverted[1])

    def cancel(event: Event) -> None:
        if event.type == "progress" and event.data["node"] == node.id and event.data["value"] >= 2:
            comfy_server.interrupt()

    stopped = comfy_server.run(studio.graph.prompt, check=False, on_event=cancel)
    assert stopped.interrupted and not stopped.error
    after = another()
    left = after.leftovers()
    shown = after.show(after.sample()[0])
    result = comfy_server.run(after.graph.prompt)
    assert result.outputs[left.id] == seen
    assert comfy_server.images(result, shown.id)


def test_a_wrong_socket_is_refused(comfy_server: ComfyServer, studio: Studio) -> None:
    studio.show(studio.sample(trajectory=studio.latent))
    with pytest.raises(PromptRejected) as refused:
        comfy_server.run(studio.graph.prompt)
    assert any("LATENT_TRAJECTORY" in message for message in refused.value.messages)


@NEWEST
def test_a_trajectory_of_another_model_is_refused(comfy_server: ComfyServer, studio: Studio) -> None:
    other = studio.graph.add("TestModel", kind="sd15")
    assert "made with another model" in failure(comfy_server, studio, studio.sample(model=other))


@NEWEST
def test_a_latent_of_another_model_is_refused(comfy_server: ComfyServer, studio: Studio) -> None:
    other = studio.graph.add("TestModel", kind="sd15")
    assert "has 16 channels, but this model works on 4" in failure(comfy_server, studio, studio.invert(model=other)[1])


def test_inversions_that_cannot_be_are_refused(comfy_server: ComfyServer, studio: Studio) -> None:
    inverted = studio.invert(steps=1, scheduler="kl_optimal")
    assert "gives no usable noise levels" in failure(comfy_server, studio, inverted[1])


@NEWEST
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"guidance": 3.0}, "was made for guidance 7.5"),
        ({"unconditional": "source prompt"}, "Null text replaces the negative prompt"),
        ({"trajectory": 4}, "was made for 5 steps"),
    ],
)
def test_a_null_text_that_does_not_fit_is_refused(
    comfy_server: ComfyServer, studio: Studio, settings: dict[str, Any], message: str
) -> None:
    null_text = studio.null_text(inner_steps=0)
    if "trajectory" in settings:
        settings = {"trajectory": studio.invert(steps=settings["trajectory"])}
    assert message in failure(comfy_server, studio, studio.sample(null_text=null_text, **settings))


@NEWEST
def test_wrong_sizes_are_refused(comfy_server: ComfyServer, studio: Studio) -> None:
    graph = studio.graph
    mask = graph.add("SolidMask", value=1.0, width=64, height=64)
    assert "The mask is 64 x 64, but the image is 128 x 128" in failure(comfy_server, studio, studio.sample(mask=mask))
    small = graph.add("EmptyImage", width=64, height=64)
    graph.add("InversionReport", original=small, reconstruction=studio.scene, trajectory=studio.inverted)
    with pytest.raises(ExecutionFailed, match="original is 1 of 64 x 64, but the reconstruction is 1 of 128 x 128"):
        comfy_server.run(graph.prompt)


@NEWEST
def test_a_word_that_is_not_there_is_named(comfy_server: ComfyServer, studio: Studio) -> None:
    edit = studio.edit(word_weights="zebra: 2")
    assert "no word 'zebra'" in failure(comfy_server, studio, studio.sample(attention_edit=edit))


def test_two_queued_prompts(comfy_server: ComfyServer, another: Callable[..., Studio]) -> None:
    studios = [another(change=change, steps=3) for change in ("time: night", "style: sketch")]
    shown = [studio.show(studio.sample()[0]) for studio in studios]
    ids = [comfy_server.submit(studio.graph.prompt) for studio in studios]
    results = [comfy_server.wait(prompt) for prompt in ids]
    one, other = (pixels(comfy_server.images(r, n.id)[0]) for r, n in zip(results, shown, strict=True))
    assert not np.array_equal(one, other)


# Files


def test_a_saved_trajectory_edits_as_the_one_at_hand(comfy_server: ComfyServer, another: Callable[..., Studio]) -> None:
    studio = another()
    null_text = studio.null_text()
    studio.graph.add(
        "InversionSaveTrajectory",
        trajectory=studio.inverted,
        filename_prefix="tests/kept",
        null_text=null_text,
        image=studio.scene,
    )
    saved = comfy_server.run(studio.graph.prompt)
    (told,) = [output["text"][0] for output in saved.outputs.values() if "text" in output]
    name = told.removeprefix("saved ")
    assert (comfy_server.base / "output" / name).is_file()
    later = another()
    (kind, options), *_ = comfy_server.object_info()["InversionLoadTrajectory"]["input"]["required"].values()
    assert f"{name} [output]" in (kind if isinstance(kind, list) else options["options"])
    loaded = later.graph.add("InversionLoadTrajectory", file=f"{name} [output]")
    pairs = [
        (later.sample(trajectory=trajectory, null_text=text, attention_edit=later.attention, anchor="none"))
        for trajectory, text in ((loaded, loaded[1]), (later.inverted, later.null_text()))
    ]
    same, shown = later.compare(pairs[0][0], pairs[1][0]), later.show(pairs[0][0])
    result = comfy_server.run(later.graph.prompt)
    assert error_of(result, same) == 0
    assert comfy_server.images(result, shown.id)[0].size == (128, 128)


@pytest.mark.parametrize(
    "file", ["../../secret.trajectory.safetensors [output]", "/etc/passwd", "absent.trajectory.safetensors [output]"]
)
def test_files_elsewhere_are_refused(comfy_server: ComfyServer, studio: Studio, file: str) -> None:
    loaded = studio.graph.add("InversionLoadTrajectory", file=file)
    studio.show(studio.sample(trajectory=loaded))
    with pytest.raises(PromptRejected) as refused:
        comfy_server.run(studio.graph.prompt)
    assert any("leads out of" in m or "no trajectory file" in m for m in refused.value.messages)


@NEWEST
def test_saving_elsewhere_is_refused(comfy_server: ComfyServer, studio: Studio) -> None:
    studio.graph.add("InversionSaveTrajectory", trajectory=studio.inverted, filename_prefix="../../out")
    with pytest.raises(PromptRejected, match="leads out of ComfyUI's folders"):
        comfy_server.run(studio.graph.prompt)


@NEWEST
def test_a_damaged_file_is_named(comfy_server: ComfyServer, studio: Studio) -> None:
    name = "damaged.trajectory.safetensors"
    (comfy_server.base / "input" / name).write_bytes((WEIGHTS / "vae.safetensors").read_bytes()[:5000])
    loaded = studio.graph.add("InversionLoadTrajectory", file=f"{name} [input]")
    message = failure(comfy_server, studio, studio.sample(trajectory=loaded))
    assert name in message and "truncated" in message
