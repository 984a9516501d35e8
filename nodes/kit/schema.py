"""What the nodes' schemas are made of: inputs and outputs that several nodes have, or that are alike."""

from collections.abc import Iterable, Mapping
from typing import Any

import comfy.samplers
from comfy_api.latest import io


def schema(**facts: Any) -> io.Schema:
    """An io.Schema of those facts that the running ComfyUI knows."""
    known = io.Schema.__dataclass_fields__
    return io.Schema(**{name: value for name, value in facts.items() if name in known})


def output(kind: Any, name: str, tooltip: str, shown: str = "") -> io.Output:
    """An output of a socket's kind; what is shown of its name is the name in words, if nothing else is said."""
    return kind.Output(name, display_name=shown or name.replace("_", " "), tooltip=tooltip)


def optional_input(kind: Any, name: str, tooltip: str) -> io.Input:
    """A socket that need not be connected."""
    return kind.Input(name, optional=True, tooltip=tooltip)


def integer(name: str, default: int, bounds: tuple[int, int], tooltip: str, *, optional: bool = False) -> io.Input:
    """An input for a whole number within bounds."""
    least, most = bounds
    return io.Int.Input(name, default=default, min=least, max=most, optional=optional, tooltip=tooltip)


def number(
    name: str, default: float, bounds: tuple[float, float], step: float, tooltip: str, *, optional: bool = False
) -> io.Input:
    """An input for a number within bounds."""
    least, most = bounds
    return io.Float.Input(name, default=default, min=least, max=most, step=step, optional=optional, tooltip=tooltip)


def fraction(name: str, default: float, tooltip: str) -> io.Input:
    """An input for a share in 0..1."""
    return number(name, default, (0.0, 1.0), 0.01, tooltip)


def choice(
    name: str, options: Iterable[str], tooltip: str, *, default: str | None = None, optional: bool = False
) -> io.Input:
    """A choice between options, of which the first is the default if no other is named."""
    options = list(options)
    return io.Combo.Input(name, options=options, default=default or options[0], optional=optional, tooltip=tooltip)


def method_choice(methods: Mapping[str, Any]) -> io.Input:
    """The choice of a method by name; the tooltip has a sentence on each, which is translated by itself."""
    return choice("method", methods, " ".join(f"{name}: {method.about}." for name, method in methods.items()))


def text_input(name: str, tooltip: str, *, multiline: bool = False, optional: bool = False) -> io.Input:
    """An input for a text that may stay empty."""
    return io.String.Input(name, default="", multiline=multiline, optional=optional, tooltip=tooltip)


def steps_input(default: int, tooltip: str) -> io.Input:
    """The number of steps."""
    return integer("steps", default, (1, 1000), tooltip)


def scheduler_input(default: str, tooltip: str = "How the noise levels are spaced.") -> io.Input:
    """The choice of one of ComfyUI's schedulers."""
    return choice("scheduler", comfy.samplers.SCHEDULER_NAMES, tooltip, default=default)


def seed_input(tooltip: str, default: int = 0, *, name: str = "seed", changes: bool | None = None) -> io.Input:
    """A seed, which the front end may change after each run if it `changes`."""
    limits = {"min": 0, "max": 2**64 - 1}
    return io.Int.Input(name, default=default, **limits, control_after_generate=changes, tooltip=tooltip)


def advanced(one: io.Input) -> io.Input:
    """The same input, folded away where the front end folds what most people leave as it is."""
    one.extra_dict["advanced"] = True
    return one
