"""What the command line reads and writes: files whole or not at all, never over what is read, places looked at before the work."""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from harness import tiny_diffusion
from latent_inversion.command_line import main, outputs
from latent_inversion.pictures import clips
from latent_inversion.pictures import files as pictures
from latent_inversion.pictures.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (400, 600, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PIXELS[:21, :37]).save("photo.png")
    return tmp_path


@pytest.fixture
def small_disk():
    """No file may grow beyond 24 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (24_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(folder: Path = Path()) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


WRITERS: dict[str, Any] = {
    **{f"out.{kind}": pictures.write_picture for kind in ("png", "jpg", "bmp", "tiff", "webp")},
    **{
        f"clip.{kind}": lambda path, pixels: clips.write_clip(path, clips.Footage([pixels, pixels[::-1]], [100, 100]))
        for kind in ("gif", "webp", "png", "apng", "mp4")
    },
    "report.json": lambda path, pixels: outputs.write_text(path, json.dumps(pixels.tolist())),
}


def needs_av(name: str) -> None:
    if name.endswith("mp4"):
        pytest.importorskip("av")


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("old", [True, False], ids=["over a file", "new"])
def test_on_a_full_disk_the_old_file_stays_and_no_part_is_left(small_disk, capsys, name, old):
    needs_av(name)
    path = Path("kept", name)
    if old:
        WRITERS[name](path, PIXELS[:8, :8])
    before = path.read_bytes() if old else None
    with pytest.raises(OSError, match=f"{name} was not written: (File too large|.*)") as failed:
        WRITERS[name](path, PIXELS)
    assert "Use a name like" not in str(failed.value)
    assert (path.read_bytes() if old else None) == before
    assert names(Path("kept")) == ([name] if old else [])


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_has_usual_rights_and_keeps_those_of_the_old_file(name):
    needs_av(name)
    before = os.umask(0o022)
    try:
        WRITERS[name](Path(name), PIXELS)
        assert Path(name).stat().st_mode & 0o777 == 0o644
        Path(name).chmod(0o600)
        WRITERS[name](Path(name), PIXELS)
        assert Path(name).stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_links_are_followed_and_stay_links(here):
    (here / "there").mkdir()
    Path("link.png").symlink_to(here / "there" / "real.png")
    pictures.write_picture("link.png", PIXELS)
    assert Path("link.png").is_symlink() and Image.open("there/real.png").size == (600, 400)


def test_frames_are_written_all_or_none(small_disk):
    small, large = [PIXELS[:8, :8]] * 3, [PIXELS[:8, :8], PIXELS[:8, :8], PIXELS]
    clips.write_frames(Path("frames"), small)
    before = {path.name: path.read_bytes() for path in Path("frames").iterdir()}
    with pytest.raises(OSError, match=r"0003.png was not written"):
        clips.write_frames(Path("frames"), [frame[::-1] for frame in large])
    assert {path.name: path.read_bytes() for path in Path("frames").iterdir()} == before
    assert list(before) and sorted(before) == ["0001.png", "0002.png", "0003.png"]


# Looked at before the work


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model is too late."""

    def load(*args: Any, **options: Any) -> None:
        raise AssertionError("the model was loaded before the place was looked at")

    monkeypatch.setattr("latent_inversion.api.model.load_studio", load)


TARGET = ["--target", "x"]
PICTURE = {
    "edit": ["edit", "photo.png", *TARGET, "-o"],
    "report": ["report", "photo.png", "-o"],
    "style": ["style", "photo.png", *TARGET, "-o"],
    "try-on": ["try-on", "photo.png", "other.png", "--clothing", "a", "--garment", "b", "-o"],
    "invert": ["invert", "photo.png", "-o"],
    "video": ["video", "clip.gif", "--source", "a", *TARGET, "-o"],
}
FOLDER = {
    "compare": ["compare", "photo.png", *TARGET, "-o"],
    "look": ["look", "photo.png", "--prompt", "x", "--out"],
    "demo": ["demo", "--out"],
}


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def laid_out() -> None:
    for name in ("other.png", "mask.png", "methods.png", "01-x.png"):
        Image.fromarray(PIXELS[:21, :37]).save(name)
    Image.fromarray(PIXELS[:8, :8]).save("clip.gif")
    Path("folder").mkdir()
    clips.write_frames(Path("frames"), [PIXELS[:8, :8]] * 2)
    os.link("photo.png", "hard.png")
    Path("soft.png").symlink_to("photo.png")
    os.mkfifo("pipe.png")


@pytest.mark.parametrize("command", PICTURE)
@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("folder", "is a folder"),
        ("photo.png/out.png", "is a file, not a folder"),
        ("a" * 300 + ".png", "too long"),
        ("日" * 100 + ".png", "too long: 3.. bytes"),
        ("out.xyz", "does not end|cannot be written as a video"),
        ("pipe.png", "is a device"),
        ("/proc/out.png", "cannot be written to"),
    ],
    ids=["folder", "below a file", "long", "long in bytes", "ending", "pipe", "protected"],
)
def test_where_nothing_can_be_written_is_said_before_the_work(no_work, capsys, command, out, message):
    import re

    laid_out()
    if command == "video" and out == "folder":
        pytest.skip("a folder for frames")
    out = out.replace(".png", ".safetensors") if command == "invert" and out != "pipe.png" else out
    out = out.replace("photo.safetensors", "photo.png")
    before = names()
    assert re.search(message, refusal(capsys, *PICTURE[command], out))
    assert names() == before


@pytest.mark.parametrize("command", FOLDER)
@pytest.mark.parametrize(
    ("out", "message"), [("photo.png", "is a file"), ("photo.png/x", "is a file"), ("a" * 300, "too long")]
)
def test_where_no_folder_can_be_is_said_before_the_work(no_work, capsys, command, out, message):
    assert message in refusal(capsys, *FOLDER[command], out)


@pytest.mark.parametrize(
    "arguments",
    [
        *([*PICTURE["edit"], out] for out in ("photo.png", "./photo.png", "hard.png", "soft.png")),
        [*PICTURE["edit"], "mask.png", "--mask", "mask.png"],
        [*PICTURE["edit"], "new.png", "--sheet", "photo.png"],
        [*PICTURE["edit"], "new.png", "--mask", "mask.png", "--sheet", "mask.png"],
        [*PICTURE["edit"], "other.png", "--trajectory", "other.png"],
        [*PICTURE["report"], "soft.png"],
        [*PICTURE["style"], "other.png", "--style-picture", "other.png"],
        *([*PICTURE["try-on"], out] for out in ("photo.png", "other.png")),
        [*PICTURE["video"], "clip.gif"],
        ["video", "frames", "--source", "a", *TARGET, "-o", "frames"],
        ["video", "frames", "--source", "a", *TARGET, "-o", "frames/0001.png"],
        ["compare", "methods.png", *TARGET, "-o", "."],
        ["look", "01-x.png", "--prompt", "x", "--out", "."],
    ],
    ids=" ".join,
)
def test_what_a_command_reads_is_never_written_over(no_work, capsys, arguments):
    laid_out()
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert "would be lost" in refusal(capsys, *arguments)
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("out", ["new.png", "./new.png", "other.png"])
def test_the_edit_and_its_sheet_are_two_files(no_work, capsys, out):
    laid_out()
    assert "is the edited image" in refusal(capsys, *PICTURE["edit"], out, "--sheet", Path(out).name)


def test_the_frames_beside_a_clip_never_lie_on_the_clip_that_is_read(no_work, capsys):
    clips.write_frames(Path("walk.frames"), [PIXELS[:8, :8]] * 2)
    said = refusal(capsys, "video", "walk.frames", "--source", "a", *TARGET, "-o", "walk.gif")
    assert "would be lost" in said


def test_an_inversion_has_the_ending_of_its_kind(no_work, capsys):
    assert "Use a name like out.safetensors" in refusal(capsys, *PICTURE["invert"], "out.png")


@pytest.mark.parametrize("device", ["moon", "meta", "cuda:99"])
@pytest.mark.parametrize("option", ["--device", "--bank-device"])
def test_a_device_that_is_not_there_is_said_in_a_sentence(capsys, option, device):
    assert f"The device '{device}' cannot be used here" in refusal(capsys, "edit", "photo.png", *TARGET, option, device)


# Files that are made to do harm


def bomb() -> None:
    """A PNG of 1 x 1 with a text of 200 MB."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 200_000_000))
    Image.new("RGB", (1, 1)).save("bomb.png", pnginfo=chunks)


def harmful() -> dict[str, str]:
    """Files that are no pictures, and the words with which they are refused."""
    bomb()
    os.mkfifo("pipe.png")
    Path("folder.png").mkdir()
    Path("torn.png").write_bytes(Path("photo.png").read_bytes()[:60])
    Path("empty.png").write_bytes(b"")
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save("nan.tiff")
    Image.fromarray(np.full((8, 8), np.inf, np.float32)).save("infinite.tiff")
    refused = dict.fromkeys(("bomb.png", "torn.png", "empty.png"), "cannot be read as an image")
    return refused | {"pipe.png": "not a file", "folder.png": "not a file", "nan.tiff": "NaN", "infinite.tiff": "NaN"}


def test_pictures_that_are_none_are_refused_by_name_at_once():
    for name, words in harmful().items():
        began = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for read in (pictures.read_picture, lambda path: pictures.read_mask(path, (21, 37))):
                with pytest.raises(UserError, match=f"^{name} .*{words}"):
                    read(name)
        assert time.process_time() - began < 10


def test_clips_that_are_none_are_refused_by_name():
    pytest.importorskip("av")
    import wave

    with wave.open("sound.wav", "wb") as sound:
        sound.setnchannels(1), sound.setsampwidth(2), sound.setframerate(8000), sound.writeframes(b"\0\0" * 800)
    os.mkfifo("pipe.mp4")
    for name, words in (
        ("sound.wav", "contains no images"),
        ("pipe.mp4", "not a file"),
        ("none.gif", "There is no clip"),
    ):
        with pytest.raises(UserError, match=words):
            clips.read_clip(Path(name))


def test_a_pipe_as_a_trajectory_is_refused_at_once(capsys, monkeypatch, tmp_path):
    os.mkfifo("pipe.safetensors")
    model = str(tiny_diffusion.write_pipeline(tmp_path / "model"))
    said = refusal(
        capsys, "edit", "photo.png", *TARGET, "--trajectory", "pipe.safetensors", "--model", model, "--quiet"
    )
    assert "it is a folder or a device" in said


def test_names_that_a_terminal_cannot_write_are_printed_escaped():
    run = subprocess.run(
        [sys.executable, "-m", "latent_inversion.command_line", "edit", b"\xff\x1b.png", "--target", "x"],
        capture_output=True,
        timeout=300,
    )
    assert (
        run.returncode == 2 and b"\\x1b" in run.stderr and b"\x1b" not in run.stderr and b"Traceback" not in run.stderr
    )


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc")
@pytest.mark.parametrize("library", ["_multiarray_umath", "libtorch_cpu", "pyarrow|tokenizers|_regex|PIL"])
def test_stopping_while_libraries_load_is_one_line(library):
    import re

    process = subprocess.Popen(
        [sys.executable, "-m", "latent_inversion.command_line", "edit", "photo.png", "--target", "x"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    maps = Path(f"/proc/{process.pid}/maps")
    while process.poll() is None and not re.search(library, maps.read_text()):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130 and error.splitlines() == [error.strip()] and error.strip().endswith("stopped"), (
        error
    )


def test_inputs_are_all_paths_but_the_output():
    options = argparse.Namespace(
        picture=Path("photo.png"), mask=None, out=Path("x"), target="photo.png", clip=Path("none")
    )
    assert outputs.inputs_of(options) == [Path("photo.png")]
