"""Prompts in ComfyUI's API format, written like function calls."""

from dataclasses import dataclass
from typing import Any

from .workflows import DYNAMIC, inputs_of_choice

Link = list[Any]


@dataclass(frozen=True)
class Node:
    """A node of a graph; `node[0]` is the link to its first output."""

    id: str

    def __getitem__(self, output: int) -> Link:
        return [self.id, output]


class Graph:
    """Collects nodes into `prompt`; required widgets that are not given take their defaults."""

    def __init__(self, object_info: dict[str, Any]) -> None:
        self.object_info = object_info
        self.prompt: dict[str, Any] = {}

    def add(self, class_type: str, **inputs: Any) -> Node:
        """Adds a node. The server, not this class, judges whether its inputs are right."""
        defaults = widget_defaults(self.object_info[class_type]["input"].get("required", {}))
        given = {name: value[0] if isinstance(value, Node) else value for name, value in inputs.items()}
        filled = {name: value for name, value in defaults.items() if value is not None} | given
        node = Node(str(len(self.prompt) + 1))
        self.prompt[node.id] = {"class_type": class_type, "inputs": filled}
        return node


def widget_defaults(specs: dict[str, Any], within: str = "") -> dict[str, Any]:
    """The defaults of all widgets by name, and of those that the default of a choice brings with it."""
    defaults = {}
    for name, spec in specs.items():
        value = defaults[within + name] = widget_default(spec)
        if spec[0] == DYNAMIC:
            defaults |= widget_defaults(inputs_of_choice(spec[1], value), f"{within}{name}.")
    return defaults


def widget_default(spec: list[Any]) -> Any:
    """What a widget holds when its node is dropped on the canvas; None for a socket."""
    kind, options = spec[0], spec[1] if len(spec) > 1 else {}
    choices = kind if isinstance(kind, list) else options.get("options", [])
    if kind == DYNAMIC:
        return choices[0]["key"]
    return options.get("default", choices[0] if choices else None)
