"""The verdict on an edit in words: what came out, and what to turn."""

from typing import Any

from torch import Tensor

from ...inversion_core.quality.verdict import Verdict, judge, kind
from ...toybox.truth import Nearness
from ..kit.common import blend_mask
from .report_figures import channels_first

SENTENCES = {
    "verdictSame": "The result is nearly the same image ({changed} % of it changed). Turn strength up, shorten the cross and self "
    "windows in Attention Edit, or name what should change in the target prompt.",
    "verdictSameMask": "The result is nearly the same image ({changed} % of the mask changed). Turn strength up, shorten the cross "
    "and self windows in Attention Edit, or name what should change in the target prompt.",
    "verdictSameLossy": "The result is nearly the model's reconstruction of the unedited image ({changed} % differs), and that "
    "reconstruction differs visibly from the image in {missed} %. Turn strength up for the edit; connect Inversion Report to see "
    "what the reconstruction loses.",
    "verdictUnheld": "The model cannot represent this image: the reconstruction is nothing like it either ({likeness} % of its "
    "outlines are left in the edit). Check that checkpoint and VAE belong together and are made for such images, and invert at "
    "guidance 1 with more steps. The toybox knows only its own cartoons.",
    "verdictLost": "The result is nothing like the image ({likeness} % of its outlines are left). Turn strength down, choose the "
    "preset 'keep the shape', lengthen the cross and self windows in Attention Edit, or change fewer words of the prompt.",
    "verdictLostMask": "Outside the mask, the result is nothing like the image ({likeness} % of its outlines are left). Turn "
    "strength down, connect the mask to Inversion Edit Sampler too, or restore the original outside the mask in Inversion Decode.",
    "verdictEdited": "The image was edited, and its shapes are kept: {changed} % of it changed, {likeness} % of its outlines are kept. "
    "Look whether it is the change that you asked for; turn strength up for more of it, down for less.",
    "verdictEditedMask": "The image was edited in the mask ({changed} % of it changed), and kept outside ({likeness} % of the outlines). "
    "Look whether it is the change that you asked for; turn strength up for more of it, down for less.",
    "verdictEditedStrongly": "The image was edited strongly: {changed} % of it changed, and only {likeness} % of its outlines are kept. Right "
    "for a new style or scene; else turn strength or guidance down, or choose the preset 'keep the shape'.",
    "verdictEditedStronglyMask": "The image was edited in the mask ({changed} % of it changed), but also outside, where only {likeness} % of the "
    "outlines are kept. Connect the mask to Inversion Edit Sampler too, or turn strength down.",
    "verdictEditedFlat": "The image was edited: {changed} % of it changed. It has no outlines that could show what is kept; turn strength up "
    "for more change, down for less.",
    "verdictEditedFlatMask": "The image was edited in the mask: {changed} % of it changed. Outside there are no outlines that could show what "
    "is kept; turn strength up for more change, down for less.",
    "verdictForeign": "{said}",
    "truthRight": "Right: the change is there ({wanted}), and the result is {level} dB from the true one.",
    "truthMissing": "Not right: the change is missing ({missing}), and the result is {level} dB from the true one. Turn strength or guidance "
    "up, or shorten the cross and self windows in Attention Edit.",
}
"""The sentences of each outcome by the ids under which locales/<language>/main.json translates them."""


def verdicts(
    before: Tensor, after: Tensor, reconstruction: Tensor | None = None, mask: Tensor | None = None
) -> tuple[Verdict, ...]:
    """The verdicts on pictures `[batch, height, width, channels]` of equal sizes; `mask` is a MASK."""
    back = None if reconstruction is None else channels_first(reconstruction)
    return judge(channels_first(before), channels_first(after), back, _region(mask, before))


def message(verdict: Verdict, near: Nearness | None = None, foreign: str = "") -> dict[str, Any]:
    """The sentence as its id and the values in it, for scripts to say in the user's language.

    Where it is known how near the edit came to its true picture, it says whether it is right, and what is missing of what was
    edited. `foreign` is what the model says of an image that it was not made for, which goes before all else.
    """
    if foreign:
        return {"id": "verdictForeign", "values": {"said": foreign}}
    if near is not None and (near.right or (near.missing and verdict.outcome == "edited")):
        values = {"level": f"{near.whole:.1f}"}
        if near.right:
            return {"id": "truthRight", "values": values | {"wanted": ", ".join(near.wanted or ())}}
        return {"id": "truthMissing", "values": values | {"missing": ", ".join(near.missing)}}
    name = f"verdict{kind(verdict)}" + ("Mask" if verdict.masked else "")
    name = name if name in SENTENCES else name.removesuffix("Mask")
    values = {"changed": verdict.changed, "likeness": max(0.0, verdict.likeness), "missed": verdict.missed}
    values = {key: f"{100 * value:.0f}" for key, value in values.items() if f"{{{key}}}" in SENTENCES[name]}
    return {"id": name, "values": values}


def in_english(said: dict[str, Any]) -> str:
    """The sentence of a message."""
    return SENTENCES[said["id"]].format(**said["values"])


def sentence(verdict: Verdict) -> str:
    """The sentence in English."""
    return in_english(message(verdict))


def _region(mask: Tensor | None, pictures: Tensor) -> Tensor | None:
    if mask is None:
        return None
    region = blend_mask(mask, None, len(pictures))
    if region.shape[2:] != pictures.shape[1:3]:
        raise ValueError(
            f"The mask is {region.shape[3]} x {region.shape[2]}, but the images are {pictures.shape[2]} x {pictures.shape[1]}. Paint "
            "the mask at the size of the images, or resize the mask."
        )
    return region.expand(len(pictures), -1, -1, -1).cpu().contiguous()
