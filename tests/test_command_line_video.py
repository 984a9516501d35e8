"""`latent-inversion video` on a tiny model: clips of every kind in, the same kind and frames out, one-sentence errors."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import tiny_diffusion
from latent_inversion.command_line import main
from latent_inversion.command_line.errors import Mistake
from latent_inversion.pictures import clips
from latent_inversion.pictures.clips import Footage, read_clip, write_clip

FAST = ["--steps", "2", "--quiet", "--device", "cpu"]
WORDS = ["--source", "a photo of a cat", "--target", "a photo of a dog"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_diffusion.write_pipeline(tmp_path_factory.mktemp("model")))


def moving(frames: int = 5, height: int = 22, width: int = 36) -> list[np.ndarray]:
    """A bright square that moves to the right over smooth colours."""
    y, x = np.mgrid[0:height, 0:width] / width
    made = [np.rint(200 * np.stack([x, y, (x + y) / 2], -1)).astype(np.uint8) for _ in range(frames)]
    for number, frame in enumerate(made):
        frame[6:14, 4 * number : 4 * number + 8] = 250
    return made


@pytest.fixture
def footage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Footage:
    monkeypatch.chdir(tmp_path)
    return Footage(moving(), [40.0, 60.0, 40.0, 80.0, 40.0])


@pytest.mark.parametrize("name", ["clip", "clip.webp", "clip.apng", "clip.png"])
def test_clips_without_loss_come_back_as_they_were(footage, name):
    write_clip(Path(name), footage)
    back = read_clip(Path(name))
    assert len(back.frames) == 5 and all(np.array_equal(a, b) for a, b in zip(back.frames, footage.frames, strict=True))
    assert name == "clip" or back.durations == footage.durations


@pytest.mark.parametrize("name", ["clip.gif", "clip.mp4"])
def test_clips_with_loss_come_back_nearly(footage, name):
    if name.endswith("mp4"):
        pytest.importorskip("av")
    write_clip(Path(name), footage)
    back = read_clip(Path(name))
    assert len(back.frames) == 5 and back.frames[0].shape == footage.frames[0].shape
    assert all(np.abs(a.astype(int) - b).mean() < 12 for a, b in zip(back.frames, footage.frames, strict=True))
    assert sum(back.durations) == pytest.approx(sum(footage.durations), rel=0.02)


def test_a_video_file_needs_pyav_and_says_so(footage, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    for work in (lambda: write_clip(Path("clip.mp4"), footage), lambda: clips._av(Path("clip.mp4"))):
        with pytest.raises(Mistake, match=r"need PyAV\. Install it with pip install av"):
            work()


@pytest.mark.parametrize("name", ["walk", "walk.gif", "walk.webp"])
def test_the_edited_clip_is_of_the_same_kind(footage, model, name, capsys):
    write_clip(Path(name), footage)
    assert main(["video", name, "--model", model, *WORDS, *FAST]) == 0
    out = Path("walk_edited" if name == "walk" else f"walk.edited{Path(name).suffix}")
    edited = read_clip(out)
    assert len(edited.frames) == 5 and edited.frames[0].shape == (22, 36, 3)
    assert name == "walk" or [round(d) for d in edited.durations] == [round(d) for d in footage.durations]
    if out.suffix == ".webp":
        frames = read_clip(Path("walk.edited.frames"))
        assert all(np.array_equal(a, b) for a, b in zip(frames.frames, edited.frames, strict=True))
    assert "5 frames, 1 windows" in capsys.readouterr().out


def test_settings_reach_the_edit(footage, model):
    write_clip(Path("walk"), footage)
    made = {}
    for name, more in {
        "plain": [],
        "way": ["--way", "each frame"],
        "windows": ["--spacing", "1", "--window", "3"],
        "control": ["--cross", "1", "--self", "1"],
        "guidance": ["--guidance", "2"],
    }.items():
        assert main(["video", "walk", "--model", model, *WORDS, *FAST, "-o", name, *more]) == 0
        made[name] = np.stack(read_clip(Path(name)).frames)
    assert {name for name, other in made.items() if np.array_equal(made["plain"], other)} == {"plain"}


@pytest.mark.parametrize(
    ("clip", "more", "message"),
    [
        ("nowhere.gif", [], "There is no clip nowhere.gif"),
        ("mixed", [], "frames of 2 sizes"),
        ("empty", [], "no frames"),
        ("broken.gif", [], "cannot be read as an animated image"),
        ("walk", ["--spacing", "8", "--window", "6"], "windows of at least 2 frames more"),
        ("walk", ["--words", "house"], "The word 'house' is in neither prompt"),
    ],
)
def test_mistakes_are_told_in_one_sentence(footage, model, clip, more, message, capsys):
    write_clip(Path("walk"), footage)
    write_clip(Path("mixed"), footage)
    Image.new("RGB", (10, 10)).save("mixed/9999.png")
    Path("empty").mkdir()
    Path("broken.gif").write_bytes(b"GIF89a")
    assert main(["video", clip, "--model", model, *WORDS, *FAST, *more]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
