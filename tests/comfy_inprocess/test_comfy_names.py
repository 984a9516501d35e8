"""Every name that the pack takes from ComfyUI is there in this ComfyUI, and every call of one fits its signature."""

from pathlib import Path

import pytest

from harness.comfy_names import names_taken, unbound

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("nodes", "inversion_core", "toybox", "command_line")
FILES = [ROOT / "__init__.py", *(path for part in PARTS for path in sorted((ROOT / part).rglob("*.py")))]


def test_all_that_the_pack_takes_is_there() -> None:
    missing = [line for path in FILES for line in unbound(path, shown=path.relative_to(ROOT).as_posix())]
    if missing:
        pytest.fail("\n  ".join(["this ComfyUI lacks", *missing]), pytrace=False)


def test_the_names_are_found() -> None:
    """Those that the pack has from the beginning, one of each kind: imported, through a module, through an alias."""
    taken = set().union(*map(names_taken, FILES))
    known = {"comfy_api.latest.io", "comfy.samplers.CFGGuider", "comfy.patcher_extension.WrappersMP"}
    assert known <= taken and len(taken) > 50


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import comfy.no_such_module", "1 imports comfy.no_such_module"),
        ("from comfy.samplers import no_such_name", "1 imports comfy.samplers.no_such_name"),
        (
            "import comfy.samplers\ndef f():\n    return comfy.samplers.CFGGuider.no_such_method",
            "3 uses comfy.samplers.CFGGuider.no",
        ),
        ("import comfy.samplers as host\nhost.no_such_name()", "2 uses comfy.samplers.no_such_name"),
        ("from comfy_api.latest import io\nio.Image.No('x')", "2 uses comfy_api.latest.io.Image.No"),
        (
            "import folder_paths\nfolder_paths.get_output_directory(1, 2)",
            "2 calls folder_paths.get_output_directory: too many",
        ),
        (
            "from comfy_api.latest import io\nio.Int.Input('x', no_such_option=1)",
            "2 calls comfy_api.latest.io.Int.Input: got an",
        ),
    ],
)
def test_what_is_not_there_is_named_with_its_line(tmp_path: Path, code: str, said: str) -> None:
    path = tmp_path / "invented.py"
    path.write_text(code, encoding="utf-8")
    assert [line for line in unbound(path, shown="invented.py") if line.startswith(f"invented.py:{said}")]


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    from comfy.samplers import no_such_name\nexcept ImportError:\n    no_such_name = None",
        "import comfy.samplers\nif hasattr(comfy.samplers, 'no_such_name'):\n    comfy.samplers.no_such_name()",
        "import comfy.samplers\ngetattr(comfy.samplers, 'no_such_name', None)",
        "import comfy.samplers\ndef f(comfy):\n    return comfy.no_such_name",
    ],
)
def test_what_the_source_itself_guards_is_allowed(tmp_path: Path, code: str) -> None:
    path = tmp_path / "guarded.py"
    path.write_text(code, encoding="utf-8")
    assert not unbound(path)
