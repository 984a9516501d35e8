"""What stands around every node: values that no widget has are refused by name, and texts leave it escaped and cut."""

import inspect
import traceback
from typing import Any

import numpy as np
import pytest
from comfy_api.latest import io

from latent_inversion.inversion_core.wording import HIDDEN, MESSAGE
from latent_inversion.nodes import node_list
from latent_inversion.nodes.kit.guard import guarded, shown
from latent_inversion.nodes.kit.widgets import LONGEST, check_number

NODES = {node.define_schema().node_id: node for node in node_list()}
NAN, INFINITY = float("nan"), float("inf")
HOSTILE = {
    "half of a character": "a \ud800",
    "terminal": "\x1b[31mred\x07\x00",
    "right to left": "\u202etxt.exe",
    "long": "x" * 1_000_000,
    "lines": "a\r\n" * 200,
}


def widgets(*kinds: type) -> list[Any]:
    """Every widget of these kinds, of every node."""
    return [
        pytest.param(node, widget, id=f"{name}-{widget.id}")
        for name, node in NODES.items()
        for widget in node.define_schema().inputs
        if isinstance(widget, kinds)
    ]


def said(node: Any, **inputs: Any) -> list[str]:
    """What the node answers when it is validated, and raises when it is run, if only these inputs are given."""
    known = inspect.signature(node.validate_inputs).parameters
    seen = {name: value for name, value in inputs.items() if name in known}
    answers = [node.validate_inputs(**seen)] if seen else []
    with pytest.raises(Exception) as raised:
        node.execute(**{**everything(node), **inputs})
    shown = "".join(traceback.format_exception(raised.value))
    shown.encode()
    assert "\x1b" not in shown and "\u202e" not in shown
    return [*(answer for answer in answers if answer is not True), str(raised.value)]


def everything(node: Any) -> dict[str, Any]:
    """Nothing at every input that the node must be given."""
    wanted = inspect.signature(node.execute).parameters.values()
    return {one.name: None for one in wanted if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD}


@pytest.mark.parametrize(("node", "widget"), widgets(io.Int.Input, io.Float.Input))
def test_numbers_out_of_range_are_refused_with_name_and_range(node: Any, widget: Any) -> None:
    assert widget.min is not None and widget.max is not None
    past = [NAN, INFINITY, -INFINITY, 1e30, -1e30, widget.max * 2 + 1, widget.min - 1, "3"]
    past += [10**400, 10**10_000, widget.min + 0.5] if isinstance(widget, io.Int.Input) else []
    for value in past:
        *_, raised = said(node, **{widget.id: value})
        assert f"'{widget.id}'" in raised and f"{widget.min} to {widget.max}" in raised, raised
        assert len(raised) < 300


def test_numbers_of_every_kind_are_taken() -> None:
    for widget, values in (
        (io.Float.Input("x", min=0.0, max=8.0), (3, 0.0, 8.0, np.float32(2.5), np.int64(4), True)),
        (io.Int.Input("n", min=0, max=8), (3, 4.0, np.int32(2), np.float64(1))),
    ):
        for value in values:
            check_number(widget, value)


@pytest.mark.parametrize(("node", "widget"), widgets(io.Int.Input))
def test_seeds_reach_as_far_as_ksamplers(node: Any, widget: Any) -> None:
    if "seed" in widget.id:
        assert (widget.min, widget.max) == (0, 2**64 - 1)


@pytest.mark.parametrize(("node", "widget"), widgets(io.String.Input, io.Combo.Input))
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_of_a_widget_leaves_a_node_as_it_came(node: Any, widget: Any, text: str) -> None:
    for sentence in said(node, **{widget.id: text}):
        assert not HIDDEN.search(sentence) and len(sentence) <= 2 * MESSAGE


@pytest.mark.parametrize(("node", "widget"), widgets(io.String.Input))
def test_texts_that_are_none_and_endless_ones_are_refused_by_name(node: Any, widget: Any) -> None:
    for text, words in (("a \ud800", "half of a character"), ("x" * (LONGEST + 1), f"at most {LONGEST}")):
        assert all(f"'{widget.id}'" in one and words in one for one in said(node, **{widget.id: text}))


class Speaking(io.ComfyNode):
    """A node that hands its text on in every way that there is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Speaking", category="x", inputs=[io.String.Input("text")], outputs=[io.String.Output()]
        )

    @classmethod
    def validate_inputs(cls, other: Any = None) -> bool | str:
        return True if other is None else f"It has no {other}."

    @classmethod
    def fingerprint_inputs(cls, text: str) -> str:
        raise ValueError(text)

    @classmethod
    def execute(cls, text: str, where: str = "") -> io.NodeOutput:
        if where == "error":
            try:
                raise KeyError(text)
            except KeyError as error:
                raise RuntimeError(f"It has no {text}.") from error
        return io.NodeOutput(text, 3, ui={"text": [text], "more": {"deep": (text, 4)}})


@pytest.mark.parametrize(
    "text", [text for name, text in HOSTILE.items() if name not in ("long", "half of a character")]
)
def test_every_way_out_of_a_node_is_guarded(text: str) -> None:
    node = guarded(Speaking)
    output = node.execute(text=text)
    texts = [output.args[0], output.ui["text"][0], output.ui["more"]["deep"][0], node.validate_inputs(other=text)]
    for work in (lambda: node.execute(text=text, where="error"), lambda: node.fingerprint_inputs(text=text)):
        with pytest.raises((RuntimeError, ValueError)) as raised:
            work()
        texts.append("".join(traceback.format_exception(raised.value)))
    assert not [one for one in texts if HIDDEN.search(one)]
    assert output.args[1] == 3 and output.ui["more"]["deep"][1] == 4
    assert list(inspect.signature(node.validate_inputs).parameters) == ["other"], "ComfyUI looks which it wants to see"
    assert inspect.getfullargspec(node.validate_inputs).args == ["cls", "other"]


def test_texts_at_any_depth_are_plain_and_other_values_are_the_same() -> None:
    value = {"a\x1b": ["b\x1b", ("c\ud800", 1.5, None)], "image": b"\x1b"}
    assert shown(value) == {"a\\x1b": ["b\\x1b", ("c\\ud800", 1.5, None)], "image": b"\x1b"}
