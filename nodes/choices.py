"""Choices that a node does not have: not every ComfyUI looks for them before a prompt runs."""

import inspect
from functools import cache, wraps
from typing import Any

from comfy_api.latest import io


@cache
def choosing(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The node, which raises ValueError when it is run with a choice that its schema has not."""
    execute = node.execute.__func__  # type: ignore[attr-defined]

    @wraps(execute)
    def checked(cls: type[io.ComfyNode], *args: Any, **inputs: Any) -> io.NodeOutput:
        check_choices(cls, inputs)
        return execute(cls, *args, **inputs)

    node.execute = classmethod(checked)
    return node


def check_choices(node: type[io.ComfyNode], inputs: dict[str, Any]) -> None:
    """Raises ValueError at a choice that does not exist; what the node's own `validate_inputs` sees is left to it."""
    own = inspect.signature(node.validate_inputs).parameters
    for choice in node.define_schema().inputs:
        if isinstance(choice, io.Combo.Input) and choice.id in inputs and choice.id not in own:
            value, options = inputs[choice.id], list(choice.options or ())
            if value not in options:
                raise ValueError(f"'{choice.id}' has no choice '{value}'. There are: {', '.join(map(str, options))}.")
