"""Help, versions and typos come without the libraries, and what they say is so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import latent_inversion
from latent_inversion.api.control import ALIGNMENTS, SHARES
from latent_inversion.api.models import DTYPES
from latent_inversion.command_line import main, names, style
from latent_inversion.command_line.commands import COMMANDS, load_command
from latent_inversion.command_line.options import edit, shared
from latent_inversion.inversion_core.applications.style import SHAPES_END, STYLINGS
from latent_inversion.inversion_core.applications.video import WAYS
from latent_inversion.inversion_core.attention.kept import PRECISIONS
from latent_inversion.inversion_core.attention.regions import THRESHOLD
from latent_inversion.inversion_core.dial import PRESETS
from latent_inversion.inversion_core.inversions import INVERSIONS
from latent_inversion.inversion_core.loops.clip import SPACING, TOGETHER, WINDOW
from latent_inversion.inversion_core.methods import EDITORS
from latent_inversion.inversion_core.techniques.plug_and_play import LAYER

HEAVY = ("torch", "numpy", "PIL", "diffusers", "transformers", "tqdm")
TYPOS = {
    "edti": "There is no command 'edti'. Did you mean 'edit'?",
    "": "A command is missing.",
    "edit photo.png": "--target is missing.",
    "edit photo.png --taget x": "There is no option '--taget'. Did you mean '--target'?",
    "edit photo.png --target x --grid": "There is no option '--grid'.",
    "edit photo.png other.png --target x": "'other.png' is more than the command takes.",
    "edit photo.png --target": "--target needs a value.",
    "edit photo.png --target x --method flowedit": "There is no --method 'flowedit'. Did you mean 'FlowEdit'?",
    "edit photo.png --target x --preset keep-shape": "Did you mean 'keep-the-shape'?",
    "edit photo.png --target x --cross 4": "--cross takes a number between 0 and 1; got '4'.",
    "edit photo.png --target x --weights cat": "--weights takes WORD=FACTOR, for example hat=2; got 'cat'.",
}


@pytest.mark.parametrize("line", ["--help", "--version", *(f"{name} --help" for name in COMMANDS), *TYPOS])
def test_help_and_typos_import_no_library(line: str) -> None:
    code = (
        "import sys\nfrom latent_inversion.command_line import main\n"
        f"try: main({line.split()!r})\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stderr.splitlines()[-1] == "[]", run.stderr


@pytest.mark.parametrize("line", TYPOS)
def test_a_typo_is_one_sentence_that_says_what_was_meant(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    (said,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and TYPOS[line] in said and said.endswith("--help explains all.")


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"latent-inversion {latent_inversion.__version__}\n"
    text = (Path(latent_inversion.__file__).parent / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^version = "(.*)"$', text, re.MULTILINE)[1] == latent_inversion.__version__


def test_the_names_that_help_shows_are_the_librarys() -> None:
    assert {name: editor.about for name, editor in EDITORS.items()} == names.METHODS
    assert list(names.METHODS) == list(EDITORS)
    assert {name: way.about for name, way in WAYS.items()} == names.WAYS
    assert (tuple(ALIGNMENTS), tuple(SHARES)) == (names.ALIGNMENTS, names.SHARES)
    assert (tuple(STYLINGS), tuple(DTYPES)) == (names.STYLINGS, names.DTYPES)
    assert tuple(PRECISIONS) == names.PRECISIONS and set(shared.INVERSION_NAMES.values()) <= set(INVERSIONS)
    assert list(edit.PRESETS_BY_OPTION.values()) == list(PRESETS)


def test_the_numbers_that_help_shows_are_the_librarys() -> None:
    assert (names.LAYER, names.SHAPES_END, names.REGION) == (LAYER, SHAPES_END, THRESHOLD)
    assert (names.SPACING, names.WINDOW, names.TOGETHER) == (SPACING, WINDOW, TOGETHER)
    assert (names.STYLES, names.BLANK) == (style.STYLES, style.BLANK)


def test_every_command_can_be_run() -> None:
    assert all(callable(load_command(name).run) for name in COMMANDS)
