"""The picture in ARCHITECTURE.md, enforced: who may import whom, and the house rules that a machine can check."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "inversion_core"
PARTS = ("inversion_core", "pictures", "toybox", "nodes", "api", "command_line")
# What each room may import of the others.
ROOMS = {
    "inversion_core": set(),
    "pictures": {"inversion_core"},
    "toybox": {"inversion_core", "pictures"},
    "nodes": {"inversion_core", "pictures", "toybox"},
    "api": {"inversion_core", "pictures", "toybox"},
    "command_line": {"inversion_core", "pictures", "toybox", "api"},
}
ROOTS = {"__version__"}  # what the package itself tells all rooms


# A row imports only from rows above it; files of one package also from each other.
ROWS = (
    ("shapes", "wording"),
    ("paths", "progress", "refine"),
    ("trajectory", "types"),
    ("dial", "fingerprint", "prompts", "quality", "schedules", "solvers"),
    ("attention", "files"),
    ("techniques",),
    ("loops",),
    ("inversions",),
    ("methods",),
    ("applications",),
)
# Backends join a host to the library: they know its values, none of its loops and methods.
VALUES = {"shapes", "paths", "types", "trajectory"}
BACKENDS_MAY = VALUES | {
    "fingerprint",
    "schedules",
    "wording",
    "attention.edited_call",
    "attention.site",
    "prompts.tokens",
}

COMFY = {"comfy", "comfy_api", "comfy_extras", "execution", "folder_paths", "latent_preview", "node_helpers", "server"}
HOSTS = {"diffusers": {"diffusers", "transformers"}, "comfy": COMFY}

FILE_LINES, SCHEMA_FILE_LINES, FUNCTION_LINES, EXECUTE_LINES = 150, 250, 40, 15  # a schema is long by nature
SCHEMA = re.compile(r"\bdefine_schema$|^_?add_")  # of a node; of a command: its options
# "path" or "path:function" -> why its budget is another. Keep it empty: over budget means a missing concept.
EXCEPTIONS: dict[str, str] = {}

UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def pack_files() -> list[Path]:
    return [*sorted(ROOT.glob("*.py")), *(path for part in PARTS for path in sorted((ROOT / part).rglob("*.py")))]


def core_files() -> list[Path]:
    return sorted(CORE.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def shown(path: Path, node: ast.stmt | ast.expr | None = None) -> str:
    return f"{path.relative_to(ROOT)}" + (f":{node.lineno}" if node else "")


def imports(path: Path) -> Iterator[tuple[ast.stmt, int, str]]:
    """(statement, level, dotted name) of every import, those inside functions too; level 0 is absolute."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node, 0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node, node.level, node.module
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, node.level, alias.name) for alias in node.names)


def module_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(CORE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def core_imports(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    """The dotted names, seen from inversion_core, that a file of the core imports relatively."""
    package = path.relative_to(CORE).parts[:-1]
    for node, level, name in imports(path):
        if level:
            yield node, ".".join((*package[: len(package) + 1 - level], name))


def may_import(module: tuple[str, ...], name: str) -> bool:
    here, there = module[0] if module else "", name.split(".")[0]
    if here == there:
        return True
    if not here:
        return there != "backends"
    if here == "backends":
        return any(name == allowed or name.startswith(f"{allowed}.") for allowed in BACKENDS_MAY)
    row = {part: number for number, parts in enumerate(ROWS) for part in parts}
    return row.get(there, len(ROWS)) < row[here]


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """(qualified name, function) of all functions of a module, methods and inner functions too."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, Function | ast.ClassDef)
            name = f"{prefix}{child.name}" if named else prefix
            if isinstance(child, Function):
                yield name, child
            yield from walk(child, f"{name}." if named else prefix)

    return walk(tree, "")


def lines_of(function: Function) -> int:
    """Its lines from `def` to the end, less the docstring: documentation has no budget."""
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    is_doc = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return total - ((first.end_lineno or first.lineno) - first.lineno + 1 if is_doc else 0)


def code_lines(path: Path) -> int:
    """The lines of a file that are neither blank nor part of a docstring."""
    lines = set(range(1, len(path.read_text(encoding="utf-8").splitlines()) + 1))
    lines -= {n for n, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if not text.strip()}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def public_functions(path: Path) -> Iterator[tuple[str, Function]]:
    """Those of the module and of its classes; a backend's classes take over their host's signatures."""
    body = tree_of(path).body
    classes = [] if path.is_relative_to(CORE / "backends") else [n for n in body if isinstance(n, ast.ClassDef)]
    for prefix, nodes in [("", body), *((f"{one.name}.", one.body) for one in classes)]:
        for node in nodes:
            if isinstance(node, Function) and (node.name.endswith("__") or not node.name.startswith("_")):
                yield f"{prefix}{node.name}", node


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def check(violations: list[str], rule: str) -> None:
    if violations:
        pytest.fail("\n  ".join([rule, *violations]), pytrace=False)


def test_the_table_names_every_module_of_the_core() -> None:
    known = {part for row in ROWS for part in row} | {"backends"}
    found = {module_of(path)[0] for path in core_files() if module_of(path)}
    check(sorted(found - known), "not in the table: decide who may import it (ROWS here, and ARCHITECTURE.md)")


def test_a_row_imports_only_rows_above_it() -> None:
    known = {part for row in ROWS for part in row} | {"backends", ""}
    check(
        [
            f"{shown(path, node)} imports {name}"
            for path in core_files()
            if ((*module_of(path), "")[0]) in known
            for node, name in core_imports(path)
            if not may_import(module_of(path), name)
        ],
        "imports that the table forbids",
    )


def test_a_room_imports_only_what_the_table_allows() -> None:
    check(
        [
            f"{shown(path, node)} imports {name}"
            for path in pack_files()
            if len(parts := path.relative_to(ROOT).parts) > 1
            for node, level, name in imports(path)
            if level == len(parts) and name.split(".")[0] not in ROOMS[parts[0]] | ROOTS
        ],
        "imports from a room that the table forbids (ROOMS here, and ARCHITECTURE.md)",
    )


def test_the_core_imports_itself_relatively_and_nothing_else_of_the_pack() -> None:
    own = {"latent_inversion", *PARTS}
    check(
        [
            f"{shown(path, node)} imports {'.' * level}{name}"
            for path in core_files()
            for node, level, name in imports(path)
            if (not level and name.split(".")[0] in own) or level > len(path.relative_to(CORE).parts)
        ],
        "the core is loaded under more than one name, so it imports itself relatively, and never leaves itself",
    )


@pytest.mark.parametrize("host", HOSTS)
def test_only_its_backend_imports_a_host(host: str) -> None:
    check(
        [
            f"{shown(path, node)} imports {name}"
            for path in core_files()
            if path.parent != CORE / "backends" / host
            for node, level, name in imports(path)
            if not level and name.split(".")[0] in HOSTS[host]
        ],
        f"only inversion_core/backends/{host}/ may import {host}",
    )


def test_annotations_stay_real_beside_jaxtyping() -> None:
    check(
        [
            shown(path)
            for path in pack_files()
            if any(name == "__future__" for _, _, name in imports(path))
            and (path.is_relative_to(CORE) or any(name.startswith("jaxtyping") for _, _, name in imports(path)))
        ],
        "`from __future__ import annotations` turns jaxtyping's checks off",
    )


def test_files_keep_their_budget() -> None:
    over = []
    for path in pack_files():
        length = code_lines(path)
        schemas = sum(lines_of(one) for name, one in functions(tree_of(path)) if SCHEMA.search(name))
        budget = FILE_LINES if schemas < length / 3 else SCHEMA_FILE_LINES
        if length > budget and shown(path) not in EXCEPTIONS:
            over.append(f"{shown(path)} has {length} lines, budget {budget}")
    check(over, "files over budget (docstrings and blank lines not counted): which concept is missing?")


def test_functions_keep_their_budget() -> None:
    over = []
    for path in pack_files():
        for name, function in functions(tree_of(path)):
            is_execute = path.is_relative_to(ROOT / "nodes") and function.name == "execute"
            budget = EXECUTE_LINES if is_execute else FUNCTION_LINES
            if path.is_relative_to(ROOT / "nodes") and function.name == "define_schema":
                continue  # a schema is data: one entry per input, each with its tooltip
            if lines_of(function) > budget and f"{shown(path)}:{name}" not in EXCEPTIONS:
                over.append(f"{shown(path, function)} {name} has {lines_of(function)} lines, budget {budget}")
    check(over, "functions over budget (docstrings not counted): which concept is missing?")


def test_exceptions_are_still_needed() -> None:
    names = {shown(path) for path in pack_files()}
    names |= {f"{shown(path)}:{name}" for path in pack_files() for name, _ in functions(tree_of(path))}
    check(sorted(set(EXCEPTIONS) - names), "exceptions for what is no longer there")


def test_the_core_never_prints() -> None:
    check(
        [shown(path, call) for path in core_files() for call, name in calls(path) if name == "print"],
        "the core raises or returns; it never prints and carries on",
    )


def test_public_signatures_of_the_core_name_their_options() -> None:
    check(
        [
            f"{shown(path, function)} {name}(**{function.args.kwarg.arg})"
            for path in core_files()
            for name, function in public_functions(path)
            if function.args.kwarg
        ],
        "no **kwargs in a public signature: options are keyword-only and have names",
    )


def test_nothing_in_the_pack_runs_code_from_data() -> None:
    modules = [
        f"{shown(path, node)} imports {name}"
        for path in pack_files()
        for node, level, name in imports(path)
        if not level and name.split(".")[0] in UNSAFE_MODULES
    ]
    executed = [
        f"{shown(path, call)} calls {name}"
        for path in pack_files()
        for call, name in calls(path)
        if name in UNSAFE_CALLS
    ]
    loaded = [
        f"{shown(path, call)} calls torch.load without weights_only=True"
        for path in pack_files()
        for call, name in calls(path)
        if name == "torch.load" and "weights_only=True" not in ast.unparse(call)
    ]
    check(modules + executed + loaded, "pickle, eval and exec run what a file says")


def run_python(code: str) -> None:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent)
    assert run.returncode == 0, run.stderr


def test_importing_the_pack_needs_neither_comfyui_nor_torch() -> None:
    absent = {"torch", "numpy", *COMFY}
    run_python(
        f"import sys; sys.modules.update(dict.fromkeys({absent!r}))\n"
        "import inspect, latent_inversion, latent_inversion.nodes\n"
        "assert inspect.iscoroutinefunction(latent_inversion.comfy_entrypoint)\n"
        "assert not hasattr(latent_inversion, 'NODE_CLASS_MAPPINGS'), 'it would hide comfy_entrypoint'"
    )


def test_the_core_stands_alone() -> None:
    """Under its own name, without its hosts."""
    modules = [".".join(("inversion_core", *module_of(path))) for path in core_files()]
    needed = [name for name in modules if not name.startswith("inversion_core.backends.")]
    run_python(
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.modules.update(dict.fromkeys({sorted(COMFY)}))\n"
        f"sys.modules.update(dict.fromkeys(['diffusers', 'transformers', 'toybox', 'nodes']))\n"
        f"import importlib; [importlib.import_module(name) for name in {needed!r}]"
    )


def test_every_module_without_comfyui_imports() -> None:
    hosted = ("nodes", "inversion_core/backends/comfy", "toybox/hosts/comfy")
    paths = [path.relative_to(ROOT).with_suffix("") for path in pack_files() if path.name != "__main__.py"]
    for path in paths:
        if not path.as_posix().startswith(hosted):
            importlib.import_module(".".join(("latent_inversion", *path.parts)).removesuffix(".__init__"))


def test_every_package_is_installed() -> None:
    tomllib = pytest.importorskip("tomllib", reason="tomllib comes with Python 3.11")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = [path.parent.relative_to(ROOT) for path in pack_files() if path.name == "__init__.py"]
    found = {".".join(("latent_inversion", *folder.parts)) for folder in folders}
    assert set(settings["tool"]["setuptools"]["packages"]) == found


def test_comfyui_keeps_its_own_torch() -> None:
    names = re.findall(r"^[\w.-]+", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert names
    assert not {name.lower() for name in names} & {"torch", "torchvision", "torchaudio", "numpy", "transformers"}
