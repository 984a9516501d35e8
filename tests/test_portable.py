"""The pack's files can lie on every system, and its code names no device and asks none for a precision that it has not."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.packed import ROOT, tracked_files

LONGEST = 120
"""Characters of a file's path in the repository: Windows takes 260 with ComfyUI's own folders before it."""
RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10))}
PARTS = ("nodes", "inversion_core")
NAMES_A_DEVICE = {
    "inversion_core/attention/free.py": "asks the driver of that device how much memory is free",
    "inversion_core/backends/comfy/guider.py": "names the generators that a device has",
    "inversion_core/backends/diffusers/folder.py": "a GPU's usual precision is half",
}
"""What may say "cuda": it asks which device it was given, and chooses none."""
ASK_THE_DEVICE = {"has_float64", "working", "finest"}
"""Functions of integrate.py: in float64 where the device has it."""
FACTORIES = {"arange", "linspace", "ones", "zeros", "empty", "eye", "full", "tensor", "as_tensor", "stack"}


def names_of_files() -> list[str]:
    try:
        return tracked_files()
    except RuntimeError as error:
        pytest.skip(str(error))


def modules() -> list[Path]:
    return [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))]


def shown(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"


def test_every_file_can_lie_on_windows() -> None:
    names = names_of_files()
    assert not [name for name in names if len(name) >= LONGEST]
    assert not [name for name in names if re.search(r'[<>:"\\|?*\x00-\x1f]|[. ](/|$)', name)]
    parts = {part for name in names for part in name.split("/")}
    assert not {part for part in parts if part.split(".")[0].lower() in RESERVED}


def test_no_two_files_differ_in_case_alone() -> None:
    names = names_of_files()
    folders = {folder.as_posix() for name in names for folder in Path(name).parents}
    assert len({name.lower() for name in (*names, *folders)}) == len({*names, *folders})


def devices_named(tree: ast.Module) -> Iterator[ast.AST]:
    """Where the code names a device or moves to one by name, docstrings not counted."""
    docs = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        words = isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docs
        if (words and re.search(r"\bcuda\b", node.value)) or (
            isinstance(node, ast.Attribute) and node.attr in ("cuda", "half", "mps", "xpu")
        ):
            yield node


def float64_asked(tree: ast.Module) -> Iterator[ast.AST]:
    """Where the code asks for float64 of a tensor that need not lie on the CPU: Apple's GPUs do not even convert to it.

    A tensor lies there after `.cpu()`, as a latent of a trajectory (`.xs`), or if it was made without a device.
    """
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def around(node: ast.AST) -> Iterator[ast.AST]:
        while (above := parents.get(node)) is not None:
            yield (node := above)

    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr not in ("float64", "double"):
            continue
        above = list(around(node))
        statement = ast.unparse(next(one for one in above if isinstance(one, ast.stmt)))
        is_fact = "dtype == torch.float64" in statement or "torch.finfo" in statement
        asked = node.value if node.attr == "double" else converted(above)
        is_there = (asked is not None and (".cpu()" in ast.unparse(asked) or is_made_here(asked))) or ".xs" in statement
        if not (is_fact or is_there or any(map(is_made_here, above)) or any(map(asks_the_device, above))):
            yield node


def converted(above: Sequence[ast.AST]) -> ast.expr | None:
    """The tensor whose `.to` a node is an argument of."""
    calls = (one for one in above if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute))
    return next((one.func.value for one in calls if one.func.attr == "to"), None)


def is_made_here(node: ast.AST) -> bool:
    """Whether a call makes a tensor where torch makes them by itself: on the CPU."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in FACTORIES and all(one.arg != "device" for one in node.keywords)


def asks_the_device(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name in ASK_THE_DEVICE


def test_no_module_names_a_device() -> None:
    found = {path: list(devices_named(ast.parse(path.read_text(encoding="utf-8")))) for path in modules()}
    named = {path.relative_to(ROOT).as_posix() for path, nodes in found.items() if nodes}
    where = [shown(path, node) for path, nodes in found.items() for node in nodes]
    assert named == set(NAMES_A_DEVICE), where


def test_float64_is_asked_of_the_cpu_or_of_devices_that_have_it() -> None:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in modules()}
    assert not [shown(path, node) for path, tree in trees.items() for node in float64_asked(tree)]


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("x.to('cuda')", True),
        ("x.cuda()", True),
        ("model.half()", True),
        ("'Runs on a GPU of any kind.'", False),
        ("x.double().cpu()", False),
    ],
)
def test_the_check_of_devices_can_fail(code: str, wrong: bool) -> None:
    assert bool(list(devices_named(ast.parse(code)))) is wrong


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("y = x.double().square()", True),
        ("y = x.to('cpu', torch.float64)", True),
        ("y = torch.zeros(3, dtype=torch.float64, device=x.device)", True),
        ("y = torch.zeros(3, dtype=torch.float64)", False),
        ("y = x.double().cpu()", True),
        ("y = x.cpu().double()", False),
        ("y = x.cpu().to(torch.float64)", False),
    ],
)
def test_the_check_of_float64_can_fail(code: str, wrong: bool) -> None:
    assert bool(list(float64_asked(ast.parse(code)))) is wrong
