"""What came out of an edit, in a line, with what to turn on the command line."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..api.models import TOYBOXES
from ..inversion_core.quality.verdict import Verdict, judge, kind
from ..pictures.files import Pixels, to_tensor
from ..toybox.asked import asked, missing

MORE = (
    "look whether it is the change that you asked for, and raise --guidance for more of it, lower --guidance for less"
)
SENTENCES = {
    "Same": "nearly the same image ({changed:.0%} of it changed): raise --guidance, lower --cross and --self, or state the change "
    "plainly in --target",
    "SameLossy": "nearly the model's reconstruction of the unedited image, which itself differs from the image in {missed:.0%}: "
    "`latent-inversion report` says what the reconstruction loses",
    "Lost": "nothing like the image ({likeness:.0%} of its outlines are left): lower --guidance, raise --cross and --self, or "
    "change fewer words",
    "Unheld": "the model cannot represent this image, and the reconstruction is nothing like it either: `latent-inversion report` "
    "says what is lost, and the toybox knows only its own cartoons",
    "Edited": "the image was edited, and its shapes are kept: {changed:.0%} of it changed, {likeness:.0%} of its outlines are kept; "
    + MORE,
    "EditedStrongly": "the image was edited strongly: {changed:.0%} of it changed, and only {likeness:.0%} of its outlines are kept; "
    "right for a new style or scene, else lower --guidance or raise --cross and --self",
    "EditedFlat": "the image was edited: {changed:.0%} of it changed, and it has no outlines that could show what is kept; "
    + MORE,
}
"""By `kind`."""
MASKED = "inside the region: "


def verdicts(
    before: Sequence[Pixels],
    after: Sequence[Pixels],
    back: Sequence[Pixels] | None = None,
    mask: NDArray[np.float32] | None = None,
) -> tuple[Verdict, ...]:
    """The verdict on each edited picture of one size; `back` are the pictures re-created, `mask` where the edit was meant to be."""
    first, second = (torch.cat([to_tensor(pixels) for pixels in pictures]) for pictures in (before, after))
    third = None if back is None else torch.cat([to_tensor(pixels) for pixels in back])
    region = None if mask is None else torch.from_numpy(mask)[None, None].expand(len(first), -1, -1, -1)
    return judge(first, second, third, region)


def sentence(verdict: Verdict) -> str:
    """The verdict in words."""
    numbers = {"changed": verdict.changed, "likeness": max(0.0, verdict.likeness), "missed": verdict.missed}
    where = MASKED if verdict.masked and verdict.outcome in ("same", "edited") else ""
    return where + SENTENCES[kind(verdict)].format(**numbers)


def lacking(pixels: Pixels, model: str, source: str, target: str) -> tuple[str, ...] | None:
    """What an edit by the toybox does not show of the change of words; None for other models, and where the judge cannot say."""
    return missing(to_tensor(pixels), source, target) if model in TOYBOXES else None


def told(verdict: Verdict, pixels: Pixels, model: str, source: str, target: str) -> str:
    """The verdict in words; of an edit by the toybox, whose judge reads images, whether the change of words is there."""
    lacks = lacking(pixels, model, source, target)
    if lacks is None or verdict.outcome != "edited":
        return sentence(verdict)
    if lacks:
        return f"not right: the change is missing ({', '.join(lacks)}); raise --guidance, or lower --cross and --self"
    there = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in asked(source, target).items())
    return f"right: the change is there ({there}); {verdict.likeness:.0%} of the outlines are kept"


def of_clip(frames: Sequence[Verdict]) -> str:
    """The verdict on a clip: on its middle frame by change, and how many frames are called so."""
    middle = sorted(frames, key=lambda frame: frame.changed)[len(frames) // 2]
    alike = sum(frame.outcome == middle.outcome for frame in frames)
    return f"{sentence(middle)} (so {alike} of {len(frames)} frames)"
