"""The command line on a tiny model and pictures of every kind: files, figures, exit codes, one-sentence errors."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness import tiny_diffusion, tiny_flow
from harness.networks import Mixture
from latent_inversion.api.models import load_studio
from latent_inversion.command_line import main, workspace
from latent_inversion.inversion_core.files.trajectory_file import load_thumbnail, load_trajectory
from latent_inversion.inversion_core.methods import EDITORS, EditJob, Settings
from latent_inversion.inversion_core.paths import RF
from latent_inversion.inversion_core.schedules import flow_match_euler, flow_shift
from latent_inversion.inversion_core.types import Cond
from latent_inversion.pictures import files as pictures

FAST = ["--steps", "3", "--quiet", "--device", "cpu"]
README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
COMMANDS = re.findall(r"^latent-inversion (.*--model FOLDER.*)$", README, re.MULTILINE)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_diffusion.write_pipeline(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """37 x 21 pixels of smooth colours."""
    y, x = np.mgrid[0:21, 0:37] / 36
    return np.rint(255 * np.stack([x, y, (x + y) / 2], -1)).astype(np.uint8)


@pytest.fixture
def photo(tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and the one line on stderr."""
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as exit:
        code = int(exit.code or 0)
    return code, capsys.readouterr().err


def test_invert_then_edit_from_its_trajectory(photo, model, capsys):
    assert (
        main(["invert", str(photo), "--model", model, "--prompt", "a photo of a cat", "-o", "t.safetensors", *FAST])
        == 0
    )
    trajectory = load_trajectory("t.safetensors")
    assert trajectory.provenance.prompt == "a photo of a cat" and trajectory.steps == 3
    assert tuple(load_thumbnail("t.safetensors").shape) == (21, 37, 3)
    assert Image.open("t.reconstruction.png").size == (37, 21)
    assert "ceiling" in capsys.readouterr().out
    target = ["--target", "a photo of a dog", "--words", "cat", "dog", "--weights", "dog=2"]
    assert main(["edit", str(photo), "--model", model, "--trajectory", "t.safetensors", *target, *FAST]) == 0
    assert Image.open("photo.edited.png").size == (37, 21)


@pytest.mark.parametrize("method", EDITORS)
def test_every_method_edits_and_keeps_what_lies_outside_the_mask(photo, pixels, model, method):
    mask = np.zeros((21, 37), np.uint8)
    mask[4:9, 6:20] = 255
    Image.fromarray(mask).save("mask.png")
    prompts = ["--source", "a cat", "--target", "a dog", "--method", method, "--mask", "mask.png", "-o", "out.png"]
    assert main(["edit", str(photo), "--model", model, *prompts, *FAST]) == 0
    edited = np.asarray(Image.open("out.png"))
    assert np.array_equal(edited[mask == 0], pixels[mask == 0])
    assert not np.array_equal(edited[mask > 0], pixels[mask > 0])


def test_a_method_acts_as_its_editor_does_with_its_published_settings(photo, model, monkeypatch):
    """Along its own inversion, under both its guidances, at its strength and in its steps; what is given goes first."""
    from latent_inversion.api import editing

    jobs = []
    monkeypatch.setattr(editing, "EditJob", lambda *a, **o: jobs.append(EditJob(*a, **o)) or jobs[-1])
    words = ["--source", "a cat", "--target", "a dog", "--model", model, "--quiet", "--device", "cpu"]
    for name, more in (
        ("FlowEdit", []),
        ("TurboEdit", []),
        ("EDICT", ["--steps", "3", "--guidance", "2", "--strength", "0.5"]),
    ):
        assert main(["edit", str(photo), *words, "--method", name, *more, "-o", "out.png"]) == 0
        published = EDITORS[name].settings["ve"]
        wanted = Settings(2.0, published.source_guidance, 0.5, 3) if more else published
        job = jobs[-1]
        assert Settings(job.target.guidance, job.source.guidance, job.strength, len(job.sigmas) - 1) == wanted
        assert not job.techniques
        latents = EDITORS[name].edit(job).target
        studio = load_studio(model, device="cpu")
        assert np.array_equal(np.asarray(Image.open("out.png")), pictures.to_pixels(studio.decode(latents), (21, 37)))


@pytest.mark.parametrize("method", EDITORS)
def test_a_seed_is_taken_by_the_methods_that_draw_noise(photo, model, method, capsys):
    denoiser, x0, sigmas = Mixture(RF), torch.randn(1, 4, 8, 8), torch.linspace(1, 0, 4, dtype=torch.float64)
    source, target = (Cond(torch.full((1, 5, 4), level), torch.zeros(1, 5, 4), 2.0) for level in (0.6, -0.5))
    job = EditJob(denoiser, x0, sigmas, source, target)
    first, second = (EDITORS[method].edit(replace(job, seed=seed)).target for seed in (0, 1))
    edit = ["edit", photo, "--model", model, "--target", "a dog", "--method", method, "--seed", "1", *FAST]
    code, error = failed(capsys, *edit)
    assert (code == 2 and f"{method} draws none" in error) if torch.equal(first, second) else code == 0


def test_a_trajectory_of_another_inversion_is_refused(photo, model, capsys):
    base = ["--model", model, *FAST]
    assert main(["invert", str(photo), "--prompt", "a cat", "--inversion", "heun", "-o", "t.safetensors", *base]) == 0
    edit = ["edit", photo, "--trajectory", "t.safetensors", "--target", "a dog", *base]
    assert "EDICT inverts the image itself" in failed(capsys, *edit, "--method", "EDICT")[1]
    assert failed(capsys, *edit, "--method", "heun")[0] == 0


def test_refusals_come_before_anything_is_loaded(photo, capsys, monkeypatch):
    monkeypatch.setattr(workspace, "model_of", lambda options: pytest.fail("the model is loaded"))
    for arguments, message in (MISTAKES[name] for name in EARLY):
        assert message in failed(capsys, *arguments)[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readmes_commands_do_what_they_say(command, photo, pixels, model, capsys):
    for name in ("painting.png", "person.png", "jacket.png"):
        Image.fromarray(pixels).save(name)
    frames = [Image.fromarray(np.roll(pixels, shift, 1)) for shift in range(3)]
    frames[0].save("clip.gif", save_all=True, append_images=frames[1:])
    arguments = [model if part == "FOLDER" else part for part in shlex.split(command, comments=True)]
    before = set(Path().iterdir())
    code = main([*arguments, *FAST])
    assert code == 0, capsys.readouterr().err
    assert set(Path().iterdir()) > before


def test_help_comes_without_torch():
    code = "import sys; sys.modules['torch'] = None\nfrom latent_inversion.command_line import main\nmain(['--help'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_report(photo, model, capsys):
    assert main(["report", str(photo), "--model", model, "--prompt", "a cat", *FAST]) == 0
    out = capsys.readouterr().out
    for word in ("ceiling", "guidance 7.5", "SSIM", "white", "- The autoencoder itself loses"):
        assert word in out
    assert Image.open("photo.report.png").width > 1000


def test_attention_control_and_words_on_a_rectified_flow_model(photo, tmp_path, capsys):
    """By default too; and their shares count."""
    parts = tiny_flow.sd3_parts(tmp_path)
    model = str(tiny_flow.write_pipeline(tmp_path / "sd3", "StableDiffusion3Pipeline", parts))
    prompts = ["--source", "a photo of a cat", "--target", "a photo of a dog"]
    edited = {}
    for name, options in {
        "usual": ["--words", "cat", "dog", "--weights", "dog=2"],
        "more": ["--cross", "1", "--self", "1"],
        "none": ["--cross", "0", "--self", "0"],
    }.items():
        out = ["-o", f"{name}.png"]
        assert main(["edit", str(photo), "--model", model, *prompts, *options, *out, *FAST]) == 0
        edited[name] = np.asarray(Image.open(f"{name}.png")).astype(int)
    assert edited["none"].shape == (21, 37, 3)
    assert len({picture.tobytes() for picture in edited.values()}) == 3


def test_pictures_of_every_kind_become_upright_rgb(tmp_path, pixels):
    grey = pixels.mean(-1).astype(np.uint8)
    alpha = np.dstack([pixels, np.where(pixels[..., 0] > 99, 255, 0).astype(np.uint8)])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    kinds = {
        "grey.png": Image.fromarray(grey),
        "sixteen.png": Image.fromarray(grey.astype(np.uint16) * 257),
        "float.tiff": Image.fromarray(grey.astype(np.float32) / 255),
        "one.png": Image.fromarray(grey > 99),
        "alpha.png": Image.fromarray(alpha),
        "palette.gif": Image.fromarray(pixels).convert("P"),
        "cmyk.jpg": Image.fromarray(pixels).convert("CMYK"),
        "grey-alpha.png": Image.fromarray(np.dstack([grey, grey])),
    }
    for name, image in kinds.items():
        image.save(tmp_path / name)
        read = pictures.read_picture(tmp_path / name)
        assert read.shape == (21, 37, 3) and read.dtype == np.uint8, name
    for name in ("sixteen.png", "float.tiff"):
        assert np.abs(pictures.read_picture(tmp_path / name)[..., 0].astype(int) - grey).max() <= 1, name
    assert (pictures.read_picture(tmp_path / "alpha.png")[alpha[..., 3] == 0] == 255).all()
    assert pictures.read_picture(tmp_path / "turned.png").shape == (37, 21, 3)


def test_a_rectified_flow_runs_on_the_levels_of_diffusers_or_on_even_ones(photo):
    for name, levels in (("simple", flow_shift), ("normal", flow_match_euler)):
        chosen = ["--scheduler", name, "--prompt", "a photo of a cat", "-o", "t.safetensors"]
        assert main(["invert", str(photo), "--model", "toybox-flow", *chosen, *FAST]) == 0
        assert torch.allclose(load_trajectory("t.safetensors").sigmas, levels(3), atol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (8, 8), (65, 7)])
def test_widening_by_reflection_is_undone(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    wide = pictures.to_tensor(pixels, 8)
    assert wide.shape[-2] % 8 == wide.shape[-1] % 8 == 0
    assert np.array_equal(pictures.to_pixels(wide, size), pixels)


MISTAKES = {
    "no picture": (["edit", "nowhere.png", "--target", "x"], "no image nowhere.png"),
    "no model": (["edit", "photo.png", "--target", "x", "--model", "."], "not a model folder"),
    "no target": (["edit", "photo.png"], "--target"),
    "steps": (["invert", "photo.png", "--steps", "0"], "between 1 and 999"),
    "share": (["edit", "photo.png", "--target", "x", "--cross", "4"], "between 0 and 1"),
    "weight": (["edit", "photo.png", "--target", "x", "--weights", "2"], "WORD=FACTOR"),
    "word": (["edit", "photo.png", "--source", "a cat", "--target", "a dog", "--words", "hat"], "in neither prompt"),
    "weighted word": (["edit", "photo.png", "--target", "a dog", "--weights", "hat=2"], "no word 'hat'"),
    "weights without control": (
        ["edit", "photo.png", "--target", "a dog", "--weights", "dog=2", "--cross", "0"],
        "Raise --cross",
    ),
    "negative": (
        ["edit", "photo.png", "--target", "a dog", "--method", "null-text", "--negative", "x"],
        "null-text sets its own",
    ),
    "seed": (["edit", "photo.png", "--target", "x", "--seed", "1"], "direct draws none"),
    "own inversion": (
        ["edit", "photo.png", "--target", "x", "--method", "EDICT", "--inversion", "heun"],
        "EDICT inverts the image by 'EDICT'",
    ),
    "no inversion": (
        ["edit", "photo.png", "--target", "x", "--method", "FlowEdit", "--inversion", "ddim"],
        "FlowEdit needs no inversion",
    ),
    "no trajectory": (
        ["edit", "photo.png", "--target", "x", "--method", "DDCM", "--trajectory", "photo.png"],
        "no use to DDCM",
    ),
    "no background": (
        ["edit", "photo.png", "--target", "x", "--method", "DDCM", "--kv-edit", "--find-region"],
        "DDCM follows no trajectory",
    ),
    "own negative": (
        ["edit", "photo.png", "--target", "x", "--method", "FlowAlign", "--negative", "x"],
        "FlowAlign sets its own",
    ),
    "few steps": (
        ["edit", "photo.png", "--target", "x", "--method", "h-Edit-R", "--few-steps"],
        "without --negative",
    ),
    "scheduler": (["invert", "photo.png", "--scheduler", "normal"], "none; leave --scheduler out"),
    "long prompt": (["invert", "photo.png", "--prompt", "cat " * 90], "Shorten"),
    "foreign trajectory": (["edit", "photo.png", "--target", "x", "--trajectory", "photo.png"], "cannot be read"),
    "device": (["invert", "photo.png", "--device", "gpu"], "--device cpu"),
    "ending": (["invert", "photo.png", "-o", "t.safetensors", "--device", "quantum:3"], "quantum:3"),
    "picture ending": (["edit", "photo.png", "--target", "x", "-o", "out.xyz"], "does not end like an image"),
    "two regions": (
        ["edit", "photo.png", "--target", "x", "--mask", "m.png", "--find-region"],
        "Use only one of the two",
    ),
    "mask size": (["edit", "photo.png", "--target", "x", "--mask", "small.png"], "4 x 4, but the image is 37 x 21"),
    "black mask": (["edit", "photo.png", "--target", "x", "--mask", "black.png"], "black everywhere"),
    "guidance": (
        ["edit", "photo.png", "--target", "x", "--method", "null-text", "--guidance", "1"],
        "guidance other than 1",
    ),
}


EARLY = (
    "negative",
    "seed",
    "own inversion",
    "no inversion",
    "no trajectory",
    "no background",
    "own negative",
    "few steps",
)
"""Those of the methods, which need no model to be seen."""


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(photo, model, capsys, case):
    Image.new("L", (4, 4), 255).save("small.png")
    Image.new("L", (37, 21)).save("black.png")
    arguments, message = MISTAKES[case]
    model_option = [] if "--model" in arguments else ["--model", model]
    steps = [] if "--steps" in arguments else ["--steps", "3"]
    code, err = failed(capsys, *arguments, *model_option, *steps, "--quiet")
    assert code == 2
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err


def test_words_are_looked_for_before_the_picture_is_inverted(photo, model, capsys, monkeypatch):
    given = ["edit", photo, "--source", "ein Mädchen", "--target", "ein Kätzchen", "--model", model, *FAST]
    assert main([*map(str, given), "--words", "Mädchen", "Kätzchen", "--weights", "Kätzchen=2"]) == 0
    monkeypatch.setattr("latent_inversion.api.model.invert", lambda *a, **o: pytest.fail("the image is inverted"))
    assert "'Hut' is in neither prompt" in failed(capsys, *given, "--words", "Hut")[1]


def test_trajectories_of_another_picture_prompt_or_model_are_refused(photo, model, tmp_path, capsys):
    base = ["--model", model, *FAST]
    assert main(["invert", str(photo), "--prompt", "a cat", "-o", "t.safetensors", *base]) == 0
    capsys.readouterr()
    edit = ["--trajectory", "t.safetensors", "--target", "a dog"]
    assert "not 'a hat'" in failed(capsys, "edit", photo, *edit, "--source", "a hat", *base)[1]
    Image.new("RGB", (37, 21), "red").save("other.png")
    assert "trajectory of another image" in failed(capsys, "edit", "other.png", *edit, *base)[1]
    trained = tiny_diffusion.write_pipeline(tmp_path / "trained")
    tiny_diffusion.tiny_unet(seed=5).save_pretrained(str(trained / "unet"))
    assert "another model" in failed(capsys, "edit", photo, *edit, "--model", str(trained), *FAST)[1]


def test_other_failures_have_exit_code_1(photo, model, capsys, monkeypatch):
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("latent_inversion.api.model.invert", broken)
    code, err = failed(capsys, "invert", photo, "--model", model, *FAST)
    assert code == 1 and err == "latent-inversion invert: RuntimeError: out of memory (--debug shows where)\n"
    monkeypatch.setattr("latent_inversion.api.model.invert", lambda *a, **o: (_ for _ in ()).throw(KeyboardInterrupt))
    assert failed(capsys, "invert", photo, "--model", model, *FAST)[0] == 130


@pytest.mark.parametrize("command", [[], ["demo"], ["invert"], ["edit"], ["report"]])
def test_help_teaches(capsys, command):
    with pytest.raises(SystemExit) as exit:
        main([*command, "--help"])
    assert exit.value.code == 0
    out = capsys.readouterr().out
    assert len(out) > 400
    assert command == ["demo"] or command == ["report"] or "example" in out


def test_pasting_is_exact_where_the_mask_is_black():
    generator = np.random.default_rng(1)
    original, edited = (generator.integers(0, 256, (5, 6, 3), dtype=np.uint8) for _ in range(2))
    mask = torch.linspace(0, 1, 30).reshape(5, 6).numpy()
    assert np.array_equal(pictures.paste_edit(original, edited, np.zeros_like(mask)), original)
    assert np.array_equal(pictures.paste_edit(original, edited, np.ones_like(mask)), edited)
    assert np.array_equal(pictures.paste_edit(original, edited, mask)[0, 0], original[0, 0])


def test_compare_lays_out_every_method(photo, model, capsys):
    names = ["direct", "EDICT", "FlowEdit"]
    words = ["--source", "a cat", "--target", "a dog", "--methods", *names, "-o", "compared"]
    assert main(["compare", str(photo), "--model", model, *words, *FAST]) == 0
    rows = json.loads(Path("compared/methods.json").read_text())["methods"]
    assert [row["method"] for row in rows] == names and all(row["evaluations"] > 0 for row in rows)
    assert rows[0]["source_psnr"] is not None and rows[2]["source_psnr"] is None
    assert all(Image.open(f"compared/{name}.png").size == (37, 21) for name in names)
    assert Image.open("compared/methods.png").width > 1000
    code, error = failed(capsys, "compare", photo, "--model", model, *words[:4], "--methods", "magic", *FAST)
    assert code == 2 and "'magic'" in error and "FlowEdit" in error


def test_refining_raises_the_ceiling(photo, model, capsys):
    ceilings = []
    for steps in ("0", "8"):
        assert main(["invert", str(photo), "--model", model, "--prompt", "a cat", "--refine", steps, *FAST]) == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("ceiling"))
        ceilings.append(float(line.split()[1]))
    assert ceilings[1] > ceilings[0]


def test_plug_and_play_changes_the_edit_and_names_the_layers_there_are(photo, model, capsys):
    prompts = ["--source", "a cat", "--target", "a dog", "--cross", "0", "--self", "0"]
    for name, more in (("free", []), ("kept", ["--plug-and-play"])):
        assert main(["edit", str(photo), "--model", model, *prompts, *FAST, *more, "-o", f"{name}.png"]) == 0
    assert Path("free.png").read_bytes() != Path("kept.png").read_bytes()
    capsys.readouterr()
    code, error = failed(capsys, "edit", photo, "--model", model, *prompts, *FAST, "--plug-and-play", "6")
    assert code == 2 and "layers 0 to 5" in error


def test_the_memory_of_the_sources_attention_is_told_and_kept_to(photo, model, capsys):
    edit = ["edit", str(photo), "--model", model, "--source", "a cat", "--target", "a dog", *FAST]
    assert main([*edit, "-o", "plain.png"]) == 0
    assert "attention memory  " in capsys.readouterr().out
    assert main([*edit, "-o", "cpu.png", "--bank-device", "cpu", "--bank-budget", "1"]) == 0
    assert Path("plain.png").read_bytes() == Path("cpu.png").read_bytes()
    code, error = failed(capsys, *edit, "--bank-budget", "1e-6")
    assert code == 2 and "may use 1 kB on cpu" in error and "fewer blocks" in error
    assert main([*edit, "--bank-precision", "float16"]) == 0


def test_keys_and_values_of_the_source_change_the_edit(photo, model, capsys):
    half = Image.new("L", (37, 21), 0)
    half.paste(255, (0, 0, 18, 21))
    half.save("half.png")
    prompts = ["--source", "a cat", "--target", "a dog", "--cross", "0", "--self", "0"]
    edits = {"free": [], "masactrl": ["--share", "masactrl"], "kv": ["--share", "kv"], "values": ["--share", "values"]}
    edits |= {"mask": ["--mask", "half.png"], "kv-edit": ["--mask", "half.png", "--kv-edit"]}
    edits |= {"found": ["--find-region"], "found, kv-edit": ["--find-region", "--kv-edit"]}
    for name, more in edits.items():
        steps = [*FAST, "--steps", "8"]
        assert main(["edit", str(photo), "--model", model, *prompts, *steps, *more, "-o", f"{name}.png"]) == 0
    assert len({Path(f"{name}.png").read_bytes() for name in edits}) == len(edits)
    capsys.readouterr()
    code, error = failed(capsys, "edit", photo, "--model", model, *prompts, *FAST, "--kv-edit")
    assert code == 2 and "--mask" in error
