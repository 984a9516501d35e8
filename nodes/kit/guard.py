"""What stands around every node: its widgets are checked, and whatever it says can be shown, logged and written by anyone.

ComfyUI writes a node's errors, with all of their causes, into its log. A text that the log cannot take ends the thread
that runs prompts, so no text of a file or of a widget leaves a node as it came.
"""

from collections.abc import Callable
from functools import cache, wraps
from inspect import signature
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ...inversion_core.wording import made_plain, plain
from .values import check_values
from .widgets import check_widgets

LONGEST = 100_000
"""The most letters of a text that a node gives."""


@cache
def guarded(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The node, which raises ValueError when it is run with values that its widgets cannot have, and says plain texts only."""
    for name, guard in (("execute", running), ("validate_inputs", validating), ("fingerprint_inputs", speaking)):
        work = getattr(node, name).__func__
        if work is not getattr(io.ComfyNode, name).__func__:
            guarding = guard(work)
            guarding.__signature__ = signature(work)  # by which ComfyUI knows what `validate_inputs` wants to see
            setattr(node, name, classmethod(guarding))
    return node


def speaking(work: Callable[..., Any]) -> Callable[..., Any]:
    """`work`, whose errors are plain."""

    @wraps(work)
    def spoken(*args: Any, **inputs: Any) -> Any:
        try:
            return work(*args, **inputs)
        except Exception as error:
            if (told := made_plain(error)) is error:
                raise
            raise told from None

    return spoken


def running(execute: Callable[..., io.NodeOutput]) -> Callable[..., io.NodeOutput]:
    """`execute`, which checks widgets and sockets first, and whose output and errors are plain."""
    names = [*signature(execute).parameters][1:]

    @wraps(execute)
    def run(cls: type[io.ComfyNode], *args: Any, **inputs: Any) -> io.NodeOutput:
        given = {**dict(zip(names, args, strict=False)), **inputs}
        check_widgets(cls, given)
        check_values(cls.define_schema().inputs, given)
        output = execute(cls, *args, **inputs)
        output.args, output.ui = shown(output.args), shown(output.ui)
        return output

    return speaking(run)


def validating(validate: Callable[..., bool | str]) -> Callable[..., bool | str]:
    """`validate_inputs`, which answers plainly and once, and for widgets that it sees as `execute` would."""

    @wraps(validate)
    def judged(cls: type[io.ComfyNode], *args: Any, **inputs: Any) -> bool | str:
        try:
            check_widgets(cls, inputs)
            verdict = validate(cls, *args, **inputs)
        except ValueError as error:
            verdict = str(error)
        return Refusal(shown(verdict)) if isinstance(verdict, str) else verdict

    return speaking(judged)


class Refusal(str):
    """What `validate_inputs` says, once.

    ComfyUI hangs it on every input that `validate_inputs` sees, unless it is an `ExecutionBlocker`, whose reason was told
    elsewhere. So it counts as one when it has been read.
    """

    read = False

    def __str__(self) -> str:
        self.read = True
        return str.__str__(self)

    @property
    def __class__(self) -> type:
        return ExecutionBlocker if self.read else Refusal


def shown(value: Any) -> Any:
    """A value in which every text, at any depth of lists and dictionaries, is plain."""
    if isinstance(value, str):
        return plain(value, LONGEST)
    if isinstance(value, dict):
        return {shown(name): shown(one) for name, one in value.items()}
    return type(value)(map(shown, value)) if type(value) in (list, tuple) else value
