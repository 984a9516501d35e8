"""Model folders that are incomplete, broken or made to do harm: refused in a sentence that names the part; code never runs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness import tiny_diffusion
from latent_inversion.inversion_core.backends.diffusers.folder import load_pipeline_folder

WEIGHTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_diffusion.write_pipeline(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "model"))


def weights(folder: Path, part: str) -> Path:
    return folder / part / f"{WEIGHTS[part]}.safetensors"


def changed(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut(folder: Path, part: str) -> None:
    path = weights(folder, part)
    path.write_bytes(path.read_bytes()[:-1000])


def lacking(folder: Path, part: str) -> None:
    tensors = load_file(weights(folder, part))
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, weights(folder, part), metadata={"format": "pt"})


def pickled(folder: Path, part: str) -> None:
    names = {"text_encoder": "pytorch_model.bin"}
    torch.save({}, folder / part / names.get(part, f"{WEIGHTS[part]}.bin"))
    weights(folder, part).unlink()


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    **{f"{part} cut off": (lambda f, part=part: cut(f, part), f"part '{part}'") for part in WEIGHTS},
    **{f"{part} lacks weights": (lambda f, part=part: lacking(f, part), f"'{part}'.*lacks 1 of") for part in WEIGHTS},
    **{f"{part} pickled": (lambda f, part=part: pickled(f, part), f"'{part}'.*can run code") for part in WEIGHTS},
    **{
        f"no {part}": (lambda f, part=part: shutil.rmtree(f / part), f"no folder '{part}'")
        for part in (*WEIGHTS, "tokenizer", "scheduler")
    },
    **{
        f"{part} without config": (lambda f, part=part: (f / part / "config.json").unlink(), f"part '{part}'")
        for part in WEIGHTS
    },
    **{
        f"{part} with a broken config": (
            lambda f, part=part: (f / part / "config.json").write_text("[1, 2"),
            f"part '{part}'",
        )
        for part in WEIGHTS
    },
    **{
        f"{part} with a list for a config": (
            lambda f, part=part: (f / part / "config.json").write_text("[1, 2]"),
            f"part '{part}'",
        )
        for part in WEIGHTS
    },
    "text encoder of another size": (
        lambda f: changed(f / "text_encoder" / "config.json", hidden_size=64),
        "part 'text_encoder'",
    ),
    "unet of another size": (
        lambda f: changed(f / "unet" / "config.json", block_out_channels=[16, 32, 64]),
        "part 'unet'",
    ),
    "autoencoder of other latents": (
        lambda f: tiny_diffusion.AutoencoderKL(
            block_out_channels=(8, 8),
            norm_num_groups=4,
            latent_channels=8,
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
        ).save_pretrained(f / "vae"),
        "takes 4 channels.*gives 8",
    ),
    "unet for inpainting": (
        lambda f: tiny_diffusion.tiny_unet(in_channels=9).save_pretrained(f / "unet"),
        "takes 9 channels.*inpainting",
    ),
    "tokenizer of another model": (
        lambda f: other_tokenizer(f),
        "tokenizer of 'text_encoder'.*different models",
    ),
    "scheduler of nonsense": (
        lambda f: changed(f / "scheduler" / "scheduler_config.json", beta_schedule="magic"),
        "part 'scheduler'",
    ),
    "index: a list": (lambda f: (f / "model_index.json").write_text("[]"), "model_index.json.*'None'"),
    "index: a number": (lambda f: (f / "model_index.json").write_text("7"), "model_index.json"),
    "index: torn": (lambda f: (f / "model_index.json").write_text('{"_class'), "model_index.json cannot be read"),
    "index: no text": (lambda f: (f / "model_index.json").write_bytes(b"\xff\xfe\xff"), "model_index.json cannot be"),
    "index: nested": (lambda f: (f / "model_index.json").write_text("[" * 100_000), "model_index.json cannot be"),
    "index: class is a list": (lambda f: changed(f / "model_index.json", _class_name=["x"]), "names the pipeline"),
    "index: part is a number": (lambda f: changed(f / "model_index.json", text_encoder=7), "lacks text_encoder"),
}


def other_tokenizer(folder: Path) -> None:
    """A tokenizer with words that the text encoder does not know."""
    words = tiny_diffusion.tokenizer(folder / "tokenizer")
    words.add_tokens(["another", "model"])
    words.save_pretrained(str(folder / "tokenizer"))


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_part_is_named_in_a_sentence(folder: Path, case: str) -> None:
    break_it, message = BROKEN[case]
    break_it(folder)
    with pytest.raises(ValueError, match=message) as refused:
        load_pipeline_folder(folder)
    said = str(refused.value)
    assert (
        "\n" not in said and "internet" not in said and "Traceback" not in said and len(said) < 700 + len(str(folder))
    )


def test_a_folder_of_half_precision_alone_is_loaded(folder: Path, sound: Path) -> None:
    for part in WEIGHTS:
        tensors = {name: value.half() for name, value in load_file(weights(folder, part)).items()}
        save_file(tensors, weights(folder, part).with_suffix(".fp16.safetensors"), metadata={"format": "pt"})
        weights(folder, part).unlink()
    half, full = load_pipeline_folder(folder), load_pipeline_folder(sound)
    ours, theirs = (one.denoiser.network.state_dict() for one in (half, full))
    assert all(torch.equal(ours[name], theirs[name].half().float()) for name in theirs)
    assert torch.allclose(half.encode_prompt("a cat").embedding, full.encode_prompt("a cat").embedding, atol=1e-2)


def test_the_full_precision_is_taken_where_both_lie(folder: Path, sound: Path) -> None:
    zeros = {name: torch.zeros_like(value).half() for name, value in load_file(weights(folder, "unet")).items()}
    save_file(zeros, weights(folder, "unet").with_suffix(".fp16.safetensors"), metadata={"format": "pt"})
    ours, theirs = (load_pipeline_folder(one).denoiser.fingerprint for one in (folder, sound))
    assert ours == theirs


def test_code_in_a_folder_never_runs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "it ran"
    code = f"open({str(mark)!r}, 'w')\nfrom transformers import CLIPTokenizer, CLIPTextModel\nclass T(CLIPTokenizer): pass\nclass M(CLIPTextModel): pass\n"
    for part in ("tokenizer", "text_encoder", "unet", "vae", "scheduler"):
        (folder / part / "own.py").write_text(code)
    changed(
        folder / "tokenizer" / "tokenizer_config.json",
        auto_map={"AutoTokenizer": ["own.T", "own.T"]},
        tokenizer_class="T",
    )
    changed(folder / "text_encoder" / "config.json", auto_map={"AutoModel": "own.M"})
    monkeypatch.setattr("builtins.input", lambda *a: "y")
    try:
        load_pipeline_folder(folder)
    except ValueError as error:
        assert "part 'tokenizer'" in str(error)
    assert not mark.exists()
