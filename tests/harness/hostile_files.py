"""Trajectory files that were made to do harm: a sound one, with one field of its head replaced."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TEXTS = {
    "half of a character": "\ud800",
    "terminal": "\x1b[2J\x07\x00\r",
    "right to left": "\u202egnp.exe",
    "lines": "a\n[INFO] all is well\n",
    "long": "x" * 1_000_000,
}
VALUES = {
    "nothing": None,
    "true": True,
    "minus one": -1,
    "huge": 1e308,
    "too many digits": 10**400,
    "not a number": float("nan"),
    "infinite": float("inf"),
    "empty text": "",
    "list": [],
    "nested": [[{"a": [None]}]],
    "fields": {"secret": 1},
    "many": list(range(20_000)),
}
INNER = (
    r"NoneType|unhashable|unpack|__init__|positional|keyword|iterable|object of type|could not convert|has no attribute|"
    r"too large|Exceeds the limit|out of range|mapping|takes \d|Traceback|Error:|invalid literal|not supported|\.py"
)
"""Words with which Python speaks to programmers."""
ABSENT = object()


def head_of(path: Path) -> tuple[dict[str, Any], bytes]:
    """The head of a file, with the JSON texts in it read, and what is behind it."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + length])
    for name in ("facts", "notes"):
        head["__metadata__"][name] = json.loads(head["__metadata__"][name])
    return head, data[8 + length :]


def write(path: Path, head: dict[str, Any], body: bytes) -> Path:
    """Write a file with that head; facts and notes become JSON texts, if they are no texts."""
    head = copy.deepcopy(head)
    kept = head.get("__metadata__")
    for name in ("facts", "notes") if isinstance(kept, dict) else ():
        if name in kept and not isinstance(kept[name], str):
            kept[name] = json.dumps(kept[name])
    text = json.dumps(head).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in the head there is a field or an entry, at any depth; of lists the first entry alone."""
    if above:
        yield above
    inside = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for name, one in inside:
        yield from places(one, (*above, name))


def replaced(head: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The head with another value at that place; `ABSENT` takes the field away."""
    head = copy.deepcopy(head)
    inside: Any = head
    for name in place[:-1]:
        inside = inside[name]
    if value is ABSENT:
        del inside[place[-1]]
    else:
        inside[place[-1]] = value
    return head


def renamed(head: dict[str, Any], place: tuple[Any, ...], name: str) -> dict[str, Any]:
    """The head with another name for the field at that place."""
    head = copy.deepcopy(head)
    inside: Any = head
    for step in place[:-1]:
        inside = inside[step]
    inside[name] = inside.pop(place[-1])
    return head
