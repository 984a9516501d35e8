"""What the nodes' schemas are made of: inputs and outputs that several nodes have, or that are alike."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import comfy.samplers
from comfy_api.latest import io


def schema(**facts: Any) -> io.Schema:
    """An io.Schema of those facts that the running ComfyUI knows."""
    known = io.Schema.__dataclass_fields__
    return io.Schema(**{name: value for name, value in facts.items() if name in known})


@dataclass(frozen=True)
class Entry:
    """An input or output before its tooltip is written: its name and its facts first, `about` what a person reads of it."""

    make: Callable[..., Any]
    folded: bool = False

    def about(self, tooltip: str) -> Any:
        """The input or output with its tooltip."""
        made = self.make(tooltip=tooltip)
        if self.folded:
            made.extra_dict["advanced"] = True
        return made


def advanced(entry: Entry) -> Entry:
    """The same input, folded away where the front end folds what most people leave as it is."""
    return replace(entry, folded=True)


def output(kind: Any, name: str, shown: str = "") -> Entry:
    """An output of a socket's kind; what is shown of its name is the name in words, if nothing else is said."""
    return Entry(partial(kind.Output, name, display_name=shown or name.replace("_", " ")))


def socket(kind: Any, name: str, *, optional: bool = False) -> Entry:
    """An input of a socket's kind."""
    return Entry(partial(kind.Input, name, optional=optional))


def integer(name: str, default: int, least: int, most: int, *, optional: bool = False) -> Entry:
    """An input for a whole number within bounds."""
    return Entry(partial(io.Int.Input, name, default=default, min=least, max=most, optional=optional))


def number(name: str, default: float, least: float, most: float, *, step: float, optional: bool = False) -> Entry:
    """An input for a number within bounds."""
    return Entry(partial(io.Float.Input, name, default=default, min=least, max=most, step=step, optional=optional))


def fraction(name: str, default: float) -> Entry:
    """An input for a share in 0..1."""
    return number(name, default, 0.0, 1.0, step=0.01)


def choice(name: str, options: Iterable[str], *, default: str | None = None, optional: bool = False) -> Entry:
    """A choice between options, of which the first is the default if no other is named."""
    options = list(options)
    return Entry(partial(io.Combo.Input, name, options=options, default=default or options[0], optional=optional))


def text_input(
    name: str, *, default: str | None = "", multiline: bool = False, optional: bool = False, linked: bool = False
) -> Entry:
    """An input for a text, which may stay empty unless the default is None; a `linked` one is a socket."""
    facts = {"default": default, "multiline": multiline, "optional": optional}
    return Entry(partial(io.String.Input, name, **facts, **({"force_input": True} if linked else {})))


def steps_input(default: int) -> Entry:
    """The number of steps."""
    return integer("steps", default, 1, 1000)


def seed_input(default: int = 0, *, name: str = "seed", changes: bool | None = None) -> Entry:
    """A seed, which the front end changes after each run if it `changes`."""
    limits = {"min": 0, "max": 2**64 - 1}
    return Entry(partial(io.Int.Input, name, default=default, **limits, control_after_generate=changes))


def scheduler_input(default: str, tooltip: str = "How the noise levels are spaced.") -> io.Input:
    """The choice of one of ComfyUI's schedulers."""
    return choice("scheduler", comfy.samplers.SCHEDULER_NAMES, default=default).about(tooltip)


def method_choice(methods: Mapping[str, Any]) -> io.Input:
    """The choice of a method by name; the tooltip has a sentence on each, which is translated by itself."""
    return choice("method", methods).about(" ".join(f"{name}: {method.about}." for name, method in methods.items()))
