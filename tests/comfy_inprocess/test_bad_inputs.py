"""Every node, with what no socket promises: nothing, no pixels, one pixel, too few dimensions, NaN. Each is served, or refused in the pack's own words."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import latent_inversion
from harness import tiny_comfy
from latent_inversion.nodes import NODES, node_list
from latent_inversion.nodes.sockets import LatentTrajectory, Scale

ROOT = Path(latent_inversion.__file__).resolve().parent
NAN = float("nan")
NAMES = [name for names in NODES.values() for name in names]
SMALL = {"steps": 2, "inner_steps": 0, "looks": 1, "spread": 0, "frames": 2, "methods": "direct"}


class Nested:
    """What ComfyUI puts into the LATENT of a video with sound."""

    is_nested = True


def spoilt(shape: tuple[int, ...], value: float = NAN) -> torch.Tensor:
    made = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    made.view(-1)[0] = value
    return made


PICTURES = [
    None,
    "a picture",
    torch.zeros(0, 64, 64, 3),
    torch.zeros(1, 0, 64, 3),
    torch.zeros(1, 64, 0, 3),
    torch.rand(64, 64, 3),
    torch.rand(1, 1, 64, 64, 3),
    torch.rand(1, 1, 1, 3),
    torch.zeros(1, 128, 128, 3),
    torch.rand(1, 128, 128, 1),
    torch.rand(1, 128, 128, 2),
    torch.rand(1, 128, 128, 5),
    torch.rand(2, 128, 128, 4),
    spoilt((1, 128, 128, 3)),
    spoilt((1, 128, 128, 3), float("inf")),
]
MASKS = [
    None,
    "a mask",
    torch.zeros(0, 128, 128),
    torch.zeros(1, 0, 128),
    torch.ones(128),
    torch.ones(128, 128),
    torch.ones(1, 1, 128, 128),
    torch.ones(1, 3, 1, 128, 128),
    torch.ones(1, 1, 1),
    torch.ones(3, 128, 128),
    torch.zeros(1, 128, 128),
    2 * torch.ones(1, 128, 128),
    spoilt((1, 128, 128)),
]
SAMPLES = [
    None,
    Nested(),
    torch.rand(16, 16, 16),
    torch.rand(1, 16),
    torch.zeros(0, 16, 16, 16),
    torch.zeros(1, 16, 0, 16),
    torch.zeros(1, 0, 16, 16),
    torch.zeros(1, 16, 16, 16),
    torch.rand(1, 16, 1, 1),
    torch.rand(1, 4, 16, 16),
    torch.rand(1, 16, 1, 16, 16),
    torch.rand(1, 16, 3, 16, 16),
    torch.rand(1, 2, 16, 1, 16, 16),
    spoilt((1, 16, 16, 16)),
    spoilt((1, 16, 16, 16), float("inf")),
]
LATENTS = [
    None,
    {},
    torch.rand(1, 16, 16, 16),
    *({"samples": samples} for samples in SAMPLES),
    *(
        {"samples": torch.rand(1, 16, 16, 16), "noise_mask": m}
        for m in (torch.ones(16), torch.zeros(0, 8, 8), spoilt((1, 8, 8)))
    ),
]
PROMPTS = [
    None,
    [],
    [[torch.rand(1, 77, 768), {}]],
    [[torch.rand(3, 32, 128), {}]],
    [[torch.rand(1, 0, 128), {}]],
    [[torch.rand(1, 32, 128), {"area": (8, 8, 0, 16), "strength": 1.0}]],
    [[torch.rand(1, 32, 128), {"area": ("percentage", 0.5, 0.5, 1.0, 0.0), "strength": 1.0}]],
    [[spoilt((1, 32, 128)), {}]],
]


@pytest.fixture(scope="module")
def nodes(in_a_node: None) -> dict[str, Any]:
    return {node.__name__: node for node in node_list()}


@pytest.fixture(scope="module")
def good(nodes: dict[str, Any]) -> dict[str, Any]:
    """A value for every socket that is right."""

    def made(name: str, **inputs: Any) -> Any:
        return nodes[name].execute(**defaults(nodes[name]) | inputs).result

    model, clip, vae = made("InversionToyboxLoader")
    scene, source_prompt, target_prompt, *_ = made("InversionToyboxScene", seed=23, change="time: night")
    edit, source, target = made(
        "InversionAttentionEdit", clip=clip, source_prompt=source_prompt, target_prompt=target_prompt
    )[:3]
    latent = made("InversionEncode", image=scene, vae=vae)[0]
    record = made("InversionDDIMInvert", model=model, latent=latent, source=source)[0]
    values = {"MODEL": model, "CLIP": clip, "VAE": vae, "IMAGE": scene, "LATENT": latent, "CONDITIONING": source}
    values |= {"MASK": torch.ones(1, 128, 128), "LATENT_TRAJECTORY": record, "ATTENTION_EDIT": edit}
    return values | {"target": target, "prompt": source_prompt}


def defaults(node: Any) -> dict[str, Any]:
    """What the widgets hold, with as little work as they can ask for."""
    given = {}
    for one in node.define_schema().inputs:
        value = getattr(one, "default", None)
        options = getattr(one, "options", None)
        if value is None and options:
            value = next(iter(options))
        if value is None and one.get_io_type() == "STRING":
            value = "a portrait"
        if value is not None:
            given[one.id] = SMALL.get(one.id, value)
    return given


def right(node: Any, good: dict[str, Any]) -> dict[str, Any]:
    """Inputs with which a node runs: all sockets that it needs."""
    given = defaults(node)
    for one in node.define_schema().inputs:
        if one.get_io_type() in good and not one.optional:
            given[one.id] = good[one.get_io_type()]
    known = {one.id for one in node.define_schema().inputs}
    return given | {name: good[name] for name in ("target", "prompt") if name in known}


def trajectories(good: dict[str, Any]) -> list[Any]:
    record = good["LATENT_TRAJECTORY"]

    def of(latent: torch.Tensor) -> LatentTrajectory:
        xs = tuple(latent * (1 + float(sigma)) for sigma in record.trajectory.sigmas)
        made = replace(record.trajectory, xs=xs, residuals=None)
        channels = latent.shape[1] if latent.ndim > 1 else 1
        return LatentTrajectory(made, Scale((1.0,) * channels, (0.0,) * channels))

    shapes = [(16, 16, 16), (1, 16, 0, 16), (1, 16, 1, 1), (1, 4, 16, 16), (1, 16, 3, 16, 16)]
    made = []
    for latent in (*(torch.rand(shape) for shape in shapes), torch.zeros(1, 16, 16, 16)):
        try:
            made.append(of(latent))
        except ValueError:  # the library refuses such a trajectory itself
            continue
    return [None, *made]


def bad(kind: str, good: dict[str, Any]) -> list[Any]:
    table = {"IMAGE": PICTURES, "MASK": MASKS, "LATENT": LATENTS, "CONDITIONING": PROMPTS}
    if kind == "LATENT_TRAJECTORY":
        return trajectories(good)
    return table.get(kind, [None] if kind in ("MODEL", "CLIP", "VAE") else [])


def in_our_words(error: Exception) -> bool:
    """Whether the pack itself said what is wrong."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    ours = Path(trace.tb_frame.f_code.co_filename).is_relative_to(ROOT)
    return ours and (isinstance(error, ValueError) or type(error).__module__.startswith("latent_inversion"))


def short(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{tuple(value.shape)}{' nan' if not value.isfinite().all() else ''}"
    if isinstance(value, dict):
        return str({name: short(one) for name, one in value.items()})
    if isinstance(value, LatentTrajectory):
        return f"trajectory {value.trajectory.shape}"
    return repr(value)[:80]


def failures(node: Any, good: dict[str, Any]) -> Iterator[str]:
    """What a node says that is not the pack's own sentence, value by value of each of its sockets."""
    for one in node.define_schema().inputs:
        for value in bad(one.get_io_type(), good):
            try:
                node.execute(**right(node, good) | {one.id: value})
            except Exception as error:
                sentence = str(error)
                if not in_our_words(error) or len(sentence) > 700 or "\n" in sentence:
                    yield f"{node.__name__}, {one.id} = {short(value)}: {type(error).__name__}: {sentence[:200]}"


@pytest.mark.parametrize("name", NAMES)
def test_a_node_serves_or_refuses_whatever_comes_in(
    name: str, nodes: dict[str, Any], good: dict[str, Any], folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes[name], "hidden", SimpleNamespace(unique_id="1", prompt={}, extra_pnginfo={}))
    assert "\n".join(failures(nodes[name], good)) == ""


def test_the_right_inputs_of_the_table_run(nodes: dict[str, Any], good: dict[str, Any], folders: Path) -> None:
    """Else every refusal in it would be for nothing."""
    for name in (
        "InversionEncode",
        "InversionDecode",
        "InversionDDIMInvert",
        "InversionEditSampler",
        "InversionCompare",
    ):
        given = right(nodes[name], good)
        assert nodes[name].execute(**given).result


# What a model asks for beside the right shapes


@pytest.fixture(scope="module")
def sd3(in_a_node: None) -> Any:
    return tiny_comfy.FAMILIES["sd3"]


def invert(
    nodes: dict[str, Any], family: Any, latent: torch.Tensor, source: Any, kind: str = "InversionDDIMInvert"
) -> Any:
    given = {"model": family.model(), "latent": {"samples": latent}, "source": source, "scheduler": "simple"}
    return nodes[kind].execute(**defaults(nodes[kind]) | given)


@pytest.mark.parametrize("name", ["sdxl", "sd3", "hunyuan"])
def test_a_prompt_without_pooled_output_is_refused_where_the_model_takes_one(name: str, nodes: dict[str, Any]) -> None:
    family = tiny_comfy.FAMILIES[name]
    (embedding, facts), *_ = family.conditioning(0)
    bare = [[embedding, {key: value for key, value in facts.items() if key != "pooled_output"}]]
    with pytest.raises(ValueError, match="'source' has no pooled output"):
        invert(nodes, family, family.latent()["samples"], bare)


@pytest.mark.parametrize("name", ["sd15", "flux", "qwen", "wan"])
def test_models_that_take_none_are_not_asked_for_it(name: str, nodes: dict[str, Any]) -> None:
    family = tiny_comfy.FAMILIES[name]
    (embedding, facts), *_ = family.conditioning(0)
    bare = [[embedding, {key: value for key, value in facts.items() if key != "pooled_output"}]]
    if name == "flux":
        pytest.skip("Flux in miniature takes a vector of pooled text, which newer ComfyUIs fill with zeros")
    assert invert(nodes, family, family.latent()["samples"], bare).result


@pytest.mark.parametrize(("height", "width"), [(12, 12), (11, 12), (1, 1)])
def test_sd3_takes_what_its_positions_reach(height: int, width: int, sd3: Any, nodes: dict[str, Any]) -> None:
    assert invert(nodes, sd3, torch.randn(1, 16, height, width), sd3.conditioning(0)).result


@pytest.mark.parametrize(("height", "width"), [(13, 12), (12, 14), (64, 64)])
@pytest.mark.parametrize("kind", ["InversionDDIMInvert", "InversionRFInvert", "InversionVideoInvert"])
def test_beyond_them_it_is_refused_before_it_runs(
    kind: str, height: int, width: int, sd3: Any, nodes: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"{8 * width} x {8 * height} pixels, .* at most 96 x 96.* before encoding"):
        invert(nodes, sd3, torch.randn(1, 16, height, width), sd3.conditioning(0), kind)


def test_the_toybox_s_dit_says_its_largest_size(nodes: dict[str, Any]) -> None:
    model, clip, vae = nodes["InversionToyboxLoader"].execute("DiT (rectified flow)").result
    prompt = clip.encode_from_tokens_scheduled(clip.tokenize("a portrait"))
    latent = nodes["InversionEncode"].execute(image=torch.rand(1, 129, 129, 3), vae=vae).result[0]
    with pytest.raises(ValueError, match=r"192 x 192 pixels, .* at most 128 x 128"):
        nodes["InversionDDIMInvert"].execute(
            **defaults(nodes["InversionDDIMInvert"]) | {"model": model, "latent": latent, "source": prompt}
        )
