"""What came out of an edit, in a line, with what to turn on the command line."""

import sys
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..inversion_core.quality.verdict import Verdict, judge, kind
from ..pictures.files import Pixels, to_tensor

CHANGED = "{changed:.0%} of the image changed; "
SENTENCES = {
    "Same": "nearly the same image ({changed:.0%} of it changed): raise --guidance, lower --cross and --self, or state the change "
    "plainly in --target",
    "SameLossy": "nearly the model's reconstruction of the unedited image, which itself differs from the image in {missed:.0%}: "
    "`latent-inversion report` says what the reconstruction loses",
    "Lost": "nothing like the image ({likeness:.0%} of its outlines are left): lower --guidance, raise --cross and --self, or "
    "change fewer words",
    "Unheld": "the model cannot represent this image, and the reconstruction is nothing like it either: `latent-inversion report` "
    "says what is lost, and the toybox knows only its own cartoons",
    "Edited": CHANGED + "{likeness:.0%} of its outlines are kept",
    "EditedFlat": CHANGED + "the image has no outlines that could show what is kept",
}
"""By `kind`."""
OUTCOMES = {
    "same": "the same image",
    "lost": "nothing like it",
    "unheld": "not represented by the model",
    "edited": "edited",
}
"""In a table."""
MASKED = "inside the region: "


def verdicts(
    before: Sequence[Pixels],
    after: Sequence[Pixels],
    back: Sequence[Pixels] | None = None,
    mask: NDArray[np.float32] | None = None,
) -> tuple[Verdict, ...]:
    """The verdict on each edited picture of one size; `back` are the pictures re-created, `mask` where the edit was meant to be."""
    first, second = (torch.cat([to_tensor(one) for one in many]) for many in (before, after))
    third = None if back is None else torch.cat([to_tensor(one) for one in back])
    region = None if mask is None else torch.from_numpy(mask)[None, None].expand(len(first), -1, -1, -1)
    return judge(first, second, third, region)


def note_equal(source: str, target: str) -> None:
    """Says on stderr that two descriptions are the same."""
    if source == target:
        print(
            "note: source and target are the same, so nothing should change; change a word of --target.",
            file=sys.stderr,
        )


def sentence(verdict: Verdict) -> str:
    """The verdict in words."""
    told = {"changed": verdict.changed, "likeness": max(0.0, verdict.likeness), "missed": verdict.missed}
    where = MASKED if verdict.masked and verdict.outcome in ("same", "edited") else ""
    return where + SENTENCES[kind(verdict)].format(**told)


def of_clip(found: Sequence[Verdict]) -> str:
    """The verdict on a clip: on its middle frame by change, and how many frames are called so."""
    middle = sorted(found, key=lambda one: one.changed)[len(found) // 2]
    alike = sum(one.outcome == middle.outcome for one in found)
    return f"{sentence(middle)} (so {alike} of {len(found)} frames)"
