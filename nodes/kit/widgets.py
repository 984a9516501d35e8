"""Values that a node's widgets cannot have. A prompt that comes through the API, or a link, brings any: ComfyUI lets NaN
through, and not every ComfyUI looks for choices before a prompt runs."""

import inspect
import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from comfy_api.latest import io

from ...inversion_core.wording import HALVES, quoted

LONGEST = 20_000
"""The most letters of a text."""


def check_widgets(node: type[io.ComfyNode], inputs: Mapping[str, Any]) -> None:
    """Raises ValueError at a number out of range, a text that is none, or a choice that does not exist.

    Choices that the node's own `validate_inputs` sees are left to it.
    """
    own = inspect.signature(node.validate_inputs).parameters
    for widget in node.define_schema().inputs:
        value = inputs.get(widget.id)
        if value is None:
            continue
        if isinstance(widget, (io.Int.Input, io.Float.Input)):
            check_number(widget, value)
        elif isinstance(widget, io.String.Input):
            check_text(widget.id, value)
        elif isinstance(widget, io.Combo.Input) and widget.id not in own and value not in (widget.options or ()):
            there = ", ".join(map(str, widget.options or ()))
            raise ValueError(f"{quoted(value)} is not a valid value for '{widget.id}'. Choose one of: {there}.")


def check_number(widget: io.Int.Input | io.Float.Input, value: Any) -> None:
    """Raises ValueError unless the value is a number of the widget's kind in its range; NaN is in none."""
    is_number = isinstance(value, Real) and (isinstance(widget, io.Float.Input) or value % 1 == 0)
    if not (is_number and widget.min <= value <= widget.max):
        kind = "number" if isinstance(widget, io.Float.Input) else "whole number"
        raise ValueError(f"'{widget.id}' must be a {kind} from {widget.min} to {widget.max}; got {_said(value)}.")


def check_text(name: str, value: Any) -> None:
    """Raises ValueError unless the value is a text of at most `LONGEST` letters, without halves of characters."""
    if not isinstance(value, str):
        raise ValueError(f"'{name}' must be a text; got {quoted(value)}.")
    if len(value) > LONGEST:
        raise ValueError(f"'{name}' has {len(value)} letters, of at most {LONGEST}. Shorten the text.")
    if found := HALVES.search(value):
        raise ValueError(
            f"'{name}' contains half of a character, {quoted(found[0])}, as when a text is cut inside an emoji. Delete that "
            "character, or type the text again."
        )


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and not math.isfinite(value) else quoted(value).strip("'")
