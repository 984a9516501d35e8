"""What ComfyUI does not look at before it runs a node: choices that do not exist, and what sockets carry."""

import inspect
from collections.abc import Sequence
from functools import cache, wraps
from typing import Any

from comfy_api.latest import io

from .values import check_values


@cache
def choosing(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The node, which raises ValueError when it is run with a choice or a value that its schema has not."""
    execute = node.execute.__func__  # type: ignore[attr-defined]

    @wraps(execute)
    def checked(cls: type[io.ComfyNode], *args: Any, **inputs: Any) -> io.NodeOutput:
        sockets = cls.define_schema().inputs
        check_choices(cls, sockets, inputs)
        check_values(sockets, inputs)
        return execute(cls, *args, **inputs)

    node.execute = classmethod(checked)
    return node


def check_choices(node: type[io.ComfyNode], sockets: Sequence[Any], inputs: dict[str, Any]) -> None:
    """Raises ValueError at a choice that does not exist; what the node's own `validate_inputs` sees is left to it."""
    own = inspect.signature(node.validate_inputs).parameters
    for choice in sockets:
        if isinstance(choice, io.Combo.Input) and choice.id in inputs and choice.id not in own:
            value, options = inputs[choice.id], list(choice.options or ())
            if value not in options:
                raise ValueError(f"'{choice.id}' has no choice '{value}'. There are: {', '.join(map(str, options))}.")
