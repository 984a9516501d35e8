"""ControlNet hints beside pictures that were padded."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..kit.common import padded
from ..sockets import Frame


def pad_hints(prompts: Mapping[str, Any], frame: Frame | None) -> dict[str, Any]:
    """CONDITIONINGs by name, whose ControlNet hints lie on the latent as the picture does.

    ComfyUI stretches a hint over the whole latent. A hint as large as the picture is therefore continued to the padded
    size as the picture was; hints of other sizes, and the prompts that came in, stay as they are.
    """
    if frame is None or not frame.is_padded:
        return dict(prompts)
    known: dict[int, Any] = {}  # what two prompts shared they share again: ComfyUI runs them in one batch then

    def laid(control: Any) -> Any:
        if control is None or not hasattr(control, "cond_hint_original"):
            return control
        if id(control) not in known:
            known[id(control)] = _laid(control, frame).set_previous_controlnet(laid(control.previous_controlnet))
        return known[id(control)]

    def entry(facts: dict[str, Any]) -> dict[str, Any]:
        return facts | {"control": laid(facts["control"])} if "control" in facts else facts

    return {name: [[one[0], entry(one[1])] for one in prompt] for name, prompt in prompts.items()}


def _laid(control: Any, frame: Frame) -> Any:
    copy = control.copy()
    copy.cond_hint_original = _continued(control.cond_hint_original, frame)
    copy.extra_concat_orig = [_continued(extra, frame) for extra in control.extra_concat_orig]
    return copy


def _continued(hint: Tensor, frame: Frame) -> Tensor:
    if tuple(hint.shape[-2:]) != (frame.height, frame.width):
        return hint
    return padded(hint.movedim(1, -1), frame.padded_height, frame.padded_width).movedim(-1, 1).to(hint)
