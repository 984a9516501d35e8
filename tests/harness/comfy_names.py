"""Every name that a file takes from a host (ComfyUI), and every call of one, bound against the host that can be imported.

An import, an attribute or a call that does not bind would fail at the user's, on some path or other. What a file asks for
with `hasattr` or `getattr`, or tries and catches, it may go without.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

HOSTS = ("comfy", "comfy_api", "comfy_execution", "comfy_extras", "execution", "folder_paths", "latent_preview")
HOSTS += ("node_helpers", "nodes", "server")
CAUGHT = {"ImportError", "ModuleNotFoundError", "AttributeError", "Exception"}
LACKS = object()
"""What stands for a name that the host does not have."""


def unbound(path: Path, hosts: Sequence[str] = HOSTS, shown: str | None = None) -> list[str]:
    """`file:line`, and what the host lacks there; nothing if everything binds."""
    return [f"{shown or path}:{line} {what}" for line, what in _File(path, hosts).missing()]


def names_taken(path: Path, hosts: Sequence[str] = HOSTS) -> set[str]:
    """The dotted names that a file takes from its hosts, to see that they are found at all."""
    file = _File(path, hosts)
    return {name for _, name in file.imported()} | {name for _, name, _ in file.attributes()}


class _File:
    def __init__(self, path: Path, hosts: Sequence[str]) -> None:
        self.tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        self.hosts = set(hosts)
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        self.aliases = dict(self._aliases())

    def missing(self) -> Iterator[tuple[int, str]]:
        for node, name in self.imported():
            if found(name) is LACKS and not self.is_guarded(node):
                yield node.lineno, f"imports {name}, which is not there"
        for node, name, value in self.attributes():
            if value is LACKS and not self.is_guarded(node):
                yield node.lineno, f"uses {name}, which is not there"
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and (name := self.dotted(node.func)) and (why := misfit(node, found(name))):
                yield node.lineno, f"calls {name}: {why}"

    def imported(self) -> Iterator[tuple[ast.stmt, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            yield from ((node, name) for name in names if name.split(".")[0] in self.hosts)

    def _aliases(self) -> Iterator[tuple[str, str]]:
        """What a name in the file stands for, as a dotted name of the host."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.split(".")[0]
                    if top in self.hosts:
                        yield (alias.asname, alias.name) if alias.asname else (top, top)
            elif (
                isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] in self.hosts
            ):
                yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)

    def attributes(self) -> Iterator[tuple[ast.expr, str, Any]]:
        """(node, dotted name, what the host has there) of the longest chains of attributes."""
        for node in ast.walk(self.tree):
            inner = isinstance(self.parents.get(node), ast.Attribute)
            if isinstance(node, ast.Attribute) and not inner and (name := self.dotted(node)):
                yield node, name, found(name)

    def dotted(self, node: ast.expr) -> str | None:
        """`host.a.b` of an expression; None if it is none of the host's."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.aliases or self.is_local(node):
            return None
        return ".".join((self.aliases[node.id], *reversed(parts)))

    def is_local(self, node: ast.Name) -> bool:
        """Whether a parameter or an assignment of a function around the name hides the import."""
        scope: ast.AST | None = node
        while (scope := self.parents.get(scope)) is not None:
            if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                if node.id in {one.arg for one in ast.walk(scope.args) if isinstance(one, ast.arg)}:
                    return True
                stores = (
                    one for one in ast.walk(scope) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
                )
                if node.id in {one.id for one in stores}:
                    return True
        return False

    def is_guarded(self, node: ast.AST) -> bool:
        """Whether the file itself says that the name may be missing: in a `try`, or beside a `hasattr` that asks for it."""
        last = node.attr if isinstance(node, ast.Attribute) else None
        scope: ast.AST | None = node
        while scope is not None:
            above = self.parents.get(scope)
            if isinstance(above, ast.Try) and scope in above.body and any(map(catches, above.handlers)):
                return True
            if isinstance(above, ast.If | ast.IfExp | ast.BoolOp | ast.FunctionDef) and last in asked(above):
                return True
            scope = above
        return False


def found(name: str) -> Any:
    """The object of a dotted name, modules imported on the way; LACKS if there is none. Beyond a value of no module or class, it is trusted."""
    head, *rest = name.split(".")
    try:
        value: Any = importlib.import_module(head)
    except ImportError:
        return LACKS
    for position, part in enumerate(rest, 2):
        if not (inspect.ismodule(value) or inspect.isclass(value)):
            return value
        if not hasattr(value, part):
            with suppress(ImportError):
                importlib.import_module(".".join((head, *rest[: position - 1])))
        if not hasattr(value, part):
            return LACKS
        value = getattr(value, part)
    return value


def misfit(call: ast.Call, target: Any) -> str | None:
    """Why a call does not fit the signature of `target`; None if it does, or if that cannot be told."""
    stars = any(isinstance(one, ast.Starred) for one in call.args) or any(one.arg is None for one in call.keywords)
    if target is LACKS or stars or not callable(target):
        return None
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*call.args, **{one.arg: one.value for one in call.keywords if one.arg})
    except TypeError as error:
        return f"{error}; it takes {signature}"
    return None


def catches(handler: ast.ExceptHandler) -> bool:
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else CAUGHT
    return bool(names & CAUGHT)


def asked(node: ast.AST) -> set[str]:
    """The names that `hasattr` and `getattr` ask for within a node."""
    calls = (one for one in ast.walk(node) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name))
    asking = (one for one in calls if one.func.id in ("hasattr", "getattr") and len(one.args) > 1)
    return {one.args[1].value for one in asking if isinstance(one.args[1], ast.Constant)}
