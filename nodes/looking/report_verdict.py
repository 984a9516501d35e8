"""The verdict on an edit in words: what came out, and what to turn."""

from typing import Any

from torch import Tensor

from ...inversion_core.quality.verdict import Verdict, judge, kind
from ..kit.common import blend_mask
from .report_figures import channels_first

SENTENCES = {
    "verdictSame": "Nearly the same picture came out ({changed} % of it changed). Turn strength up, shorten the cross and self "
    "windows in Attention Edit, or name what should change in the target prompt.",
    "verdictSameMask": "Nearly the same picture came out ({changed} % of the mask changed). Turn strength up, shorten the cross "
    "and self windows in Attention Edit, or name what should change in the target prompt.",
    "verdictSameLossy": "Nearly what the model makes of the unedited picture came out ({changed} % differs from that), and that "
    "itself differs visibly from the picture in {missed} %. Turn strength up for the edit; connect Inversion Report for the rest.",
    "verdictUnheld": "The model cannot hold this picture: the reconstruction is nothing like it either ({likeness} % of its outlines "
    "are left in the edit). Check that checkpoint and VAE belong together and are made for such pictures, and invert at "
    "guidance 1 in more steps. The toybox knows its own cartoons only.",
    "verdictLost": "Nothing like the picture came out ({likeness} % of its outlines are left). Turn strength down, take the "
    "preset 'keep the shape', lengthen the cross and self windows in Attention Edit, or change fewer words of the prompt.",
    "verdictLostMask": "Outside the mask nothing like the picture came out ({likeness} % of its outlines are left). Turn "
    "strength down, give the mask to Inversion Edit Sampler too, or put the original back outside it in Inversion Decode.",
    "verdictEdited": "{changed} % of the picture changed; {likeness} % of its outlines are kept.",
    "verdictEditedMask": "{changed} % of the mask changed; outside it {likeness} % of the outlines are kept.",
    "verdictEditedFlat": "{changed} % of the picture changed; it has no outlines by which to tell what is kept.",
    "verdictEditedFlatMask": "{changed} % of the mask changed; outside it are no outlines by which to tell what is kept.",
}
"""The sentences of each outcome by the ids under which locales/<language>/main.json translates them."""


def verdicts(
    before: Tensor, after: Tensor, reconstruction: Tensor | None = None, mask: Tensor | None = None
) -> tuple[Verdict, ...]:
    """The verdicts on pictures `[batch, height, width, channels]` of equal sizes; `mask` is a MASK."""
    back = None if reconstruction is None else channels_first(reconstruction)
    return judge(channels_first(before), channels_first(after), back, _region(mask, before))


def message(verdict: Verdict) -> dict[str, Any]:
    """The sentence as its id and the values in it, for scripts to say in the user's language."""
    name = f"verdict{kind(verdict)}" + ("Mask" if verdict.masked else "")
    name = name if name in SENTENCES else name.removesuffix("Mask")
    values = {"changed": verdict.changed, "likeness": max(0.0, verdict.likeness)}
    values |= {"missed": verdict.missed} if "{missed}" in SENTENCES[name] else {}
    return {"id": name, "values": {key: f"{100 * value:.0f}" for key, value in values.items()}}


def sentence(verdict: Verdict) -> str:
    """The sentence in English."""
    said = message(verdict)
    return SENTENCES[said["id"]].format(**said["values"])


def _region(mask: Tensor | None, pictures: Tensor) -> Tensor | None:
    if mask is None:
        return None
    region = blend_mask(mask, None, len(pictures))
    if region.shape[2:] != pictures.shape[1:3]:
        raise ValueError(
            f"The mask is {region.shape[3]} x {region.shape[2]}, but the pictures are {pictures.shape[2]} x "
            f"{pictures.shape[1]}. Paint or resize the mask to the pictures' size."
        )
    return region.expand(len(pictures), -1, -1, -1).cpu().contiguous()
