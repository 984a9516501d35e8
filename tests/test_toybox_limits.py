"""What the toybox cannot do is said in a sentence, where it happens."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from latent_inversion.api.models import load_toybox
from latent_inversion.command_line import main
from latent_inversion.pictures.files import to_pixels, to_tensor, write_picture
from latent_inversion.toybox.limits import COMMAND_LINE, NODES, about_image, about_words
from latent_inversion.toybox.world import caption, held_out_edits, held_out_scenes, render, video_scenes, world_words

OUTSIDE = "The toybox draws cartoons of its own world only, and this image is from outside"
SIZE = "The toybox draws scenes of 128 x 128 only, and this image has another size"


@pytest.fixture(scope="module")
def studio() -> Any:
    return load_toybox()


@pytest.mark.parametrize("text", ["", "A CAT, in the Snow!", "(a grey bunny)... day-night", " ".join(world_words())])
def test_words_of_its_world_are_known_however_they_are_written(text: str) -> None:
    assert about_words(text, NODES) == ""


def test_every_caption_is_known() -> None:
    assert not any(about_words(caption(scene), NODES) for scene in held_out_scenes(200))


@pytest.mark.parametrize(
    ("text", "named"),
    {
        "a photo of a Tiger": "the word 'Tiger'.",
        "a tiger, a tiger in a t-shirt": "the words 'tiger', 't-shirt'.",
        "two cats; 3 dogs!": "the words 'two', 'cats', '3', 'dogs'.",
        "a cat in Zürich, 漢字": "the words 'Zürich', '漢字'.",
        " ".join(f"word{chr(97 + n)}" for n in range(9)): "'wordf' and 3 more.",
    }.items(),
)
def test_unknown_words_are_named_with_the_known_ones(text: str, named: str) -> None:
    said = about_words(text, NODES)
    assert named in said and "It knows: cat, dog, rabbit, bear," in said
    assert said.endswith("For other words, use a real model: the templates 'Edit your photo'.")


@pytest.mark.parametrize("family", ["unet", "flow"])
def test_its_studios_refuse_unknown_words_before_they_count_tokens(family: str) -> None:
    studio = load_toybox(family=family)
    long = "a photo of a majestic tiger that walks through the dense green jungle at dawn"
    for read in (studio.cond, studio.prompt_tokens, lambda text: studio.cond("a cat", 3.0, text)):
        with pytest.raises(ValueError, match=f"does not know the words 'majestic', 'tiger'.*{re.escape(COMMAND_LINE)}"):
            read(long)
    studio.cond("a photo of a cat", 3.0)


def about(studio: Any, picture: Tensor) -> str:
    return about_image(picture, lambda small: studio.decode(studio.encode_picture(small)), NODES)


def photo(height: int = 128, width: int = 128, seed: int = 0) -> Tensor:
    """Light that falls off over a surface with texture at every scale, as in photographs."""
    generator = torch.Generator().manual_seed(seed)
    light = torch.linspace(0.2, 0.8, width) * torch.linspace(1.1, 0.6, height)[:, None]
    layers = [
        torch.randn(1, 3, max(2, height // cell), max(2, width // cell), generator=generator) for cell in (2, 4, 8, 16)
    ]
    texture = sum(torch.nn.functional.interpolate(one, (height, width), mode="bicubic") for one in layers)
    return (light + 0.07 * texture).clamp(0, 1)


def saved(picture: Tensor, quality: int) -> Tensor:
    """The picture as it comes out of a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(to_pixels(picture, (128, 128))).save(file, "JPEG", quality=quality)
    return to_tensor(np.asarray(Image.open(file)))


def test_images_of_its_world_are_its_own_also_out_of_files(studio: Any) -> None:
    scenes = held_out_scenes(30, first=400)
    edits = [edit.target for edit in held_out_edits(16)]
    frames = [frame for scene in scenes[:2] for frame in video_scenes(scene, 4)]
    dressed = [one.wearing(other) for one, other in zip(scenes[:8], scenes[8:16], strict=True)]
    drawn = render([*scenes, *edits, *frames, *dressed]).clamp(0, 1)
    assert not [one for one in drawn.split(1) if about(studio, one)]
    assert not [one for one in drawn.split(1)[::4] if about(studio, saved(one, 75))]


@pytest.mark.parametrize("size", [(128, 128), (100, 128), (512, 512), (704, 1000), (64, 64)])
def test_a_photo_of_any_size_is_from_outside(studio: Any, size: tuple[int, int]) -> None:
    for seed in range(3):
        said = about(studio, photo(*size, seed=seed))
        assert said.startswith(OUTSIDE) and said.endswith("use a real model: the templates 'Edit your photo'.")


def test_its_own_scenes_of_another_size_are_to_be_scaled(studio: Any) -> None:
    scene = render(held_out_scenes(1)).clamp(0, 1)
    for size in ((256, 256), (64, 96)):
        other = torch.nn.functional.interpolate(scene, size, mode="bicubic").clamp(0, 1)
        assert about(studio, other).startswith(SIZE)


def test_the_command_line_says_so_of_a_photo_and_gives_no_other_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_picture(Path("photo.png"), to_pixels(photo(300, 400), (300, 400)))
    words = [
        "--source",
        "a photo of a cat",
        "--target",
        "a photo of a dog",
        "--steps",
        "2",
        "--quiet",
        "--device",
        "cpu",
    ]
    assert main(["edit", "photo.png", *words]) == 0
    out, err = capsys.readouterr()
    assert OUTSIDE in err and COMMAND_LINE in err and "--resize" not in err
    assert OUTSIDE in out and "--guidance" not in out
    assert main(["report", "photo.png", "--prompt", "a cat", "--steps", "2", "--quiet", "--device", "cpu"]) == 0
    (advice,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("- ")]
    assert OUTSIDE in advice
    assert main(["edit", "photo.png", *words[:3], "a photo of a tiger"]) == 2
    assert "does not know the word 'tiger'. It knows: cat, dog" in capsys.readouterr().err
