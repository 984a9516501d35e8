"""Before / After: two pictures under a divider that can be dragged, and what came out in a sentence."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from comfy_api.latest import io, ui
from torch import Tensor

from ..kit.checks import counted, require_painted, rgb
from ..kit.schema import output, schema, socket, text_input
from .report_truth import against_truth
from .report_verdict import in_english, message, verdicts
from .report_world import outside

LINE = 4
"""The width of the line between the pictures that are saved side by side, in pixels."""
ALIKE = 0.02
"""How far the shapes of two pictures may differ, as a share, and still be laid over each other."""


class InversionBeforeAfter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionBeforeAfter",
            display_name="Before / After",
            category="inversion/edit",
            description="Compares two images under a line that you drag across them, and says below whether the edit worked: how "
            "much changed, and what to adjust when the result is the same image or nothing like the original.",
            search_aliases=["image compare", "slider", "compare images", "split view", "difference"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
            inputs=[
                socket(io.Image, "before").about("The image before the edit: one image, or one per edited image."),
                socket(io.Image, "after").about(
                    "The edited image. Resized to the image before the edit when the sizes differ."
                ),
                socket(io.Image, "reconstruction", optional=True).about(
                    "The reconstruction of the unedited image, from 'reconstructed' of Inversion Edit Sampler. What the "
                    "reconstruction loses does not count as changed."
                ),
                socket(io.Mask, "mask", optional=True).about(
                    "Region where the edit was meant to act. Changes are measured inside, likeness outside."
                ),
                socket(io.Image, "truth", optional=True).about(
                    "The true result of the edit, where known: 'true edit' of Toybox Scene or Toybox Pair. The verdict then "
                    "says how close the edit came."
                ),
                text_input("names", optional=True, linked=True).about(
                    "Names of the edited images, one per line, from 'names' of Compare Methods. Shown with each image."
                ),
            ],
            outputs=[
                output(io.Image, "side_by_side").about("Both images with a thin line between them, to save."),
                output(io.String, "verdict").about("What the edit did, one line per image."),
                output(io.Float, "changed").about(
                    "Visibly changed fraction of the image, or of the mask, 0 to 1: mean over the batch."
                ),
            ],
        )

    @classmethod
    def execute(cls, before, after, reconstruction=None, mask=None, truth=None, names="") -> io.NodeOutput:
        pair = Pair.of(before, after)
        back = None if reconstruction is None else fitted_to(pair.before, reconstruction, "reconstruction")
        outcomes = verdicts(pair.before, pair.after, back, require_painted(mask))
        changed = sum(outcome.changed for outcome in outcomes) / len(outcomes)
        right = None if truth is None else fitted_to(pair.before, truth, "truth")
        near = [] if right is None else against_truth(pair.before, pair.after, right)
        foreign = outside(before, cls.hidden)
        said = [message(*both, foreign) for both in zip(outcomes, near or [None] * len(outcomes), strict=True)]
        text = "\n".join([*map(in_english, said), *map(str, near)])
        shown = pair.shown(said, names.splitlines()) | ({"text": [*map(str, near)]} if near else {})
        return io.NodeOutput(pair.side_by_side, text, changed, ui=shown)


@dataclass(frozen=True)
class Pair:
    """Pictures before and after an edit, equally many of one size, `[batch, height, width, 3]`."""

    before: Tensor
    after: Tensor

    @classmethod
    def of(cls, before: Tensor, after: Tensor) -> "Pair":
        """The pair of what is connected. Raises ValueError if their numbers or their shapes do not go together."""
        count = max(len(before), len(after))
        if {len(before), len(after)} - {1, count}:
            raise ValueError(
                f"There are {counted(len(before), 'image')} before and {len(after)} after the edit. Connect equally many, or one for all."
            )
        first = rgb(before).cpu().float().expand(count, -1, -1, -1)
        return cls(first, fitted_to(first, after, "after"))

    @property
    def side_by_side(self) -> Tensor:
        """Both with a white line between, as IMAGEs."""
        line = torch.ones(len(self.before), self.before.shape[1], LINE, 3)
        return torch.cat([self.before, line, self.after], 2)

    def shown(self, said: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
        """What the browser draws: the files of both, what is said of each as a message, and names. Without the script, both side by side."""
        before, after = (ui.PreviewImage(one).as_dict()["images"] for one in (self.before, self.after))
        view = {"before": before, "after": after, "verdicts": said, "names": names}
        return {**ui.PreviewImage(self.side_by_side).as_dict(), "before_after": [view]}


def fitted_to(pictures: Tensor, other: Tensor, name: str) -> Tensor:
    """`other` in the number and size of `pictures`. Raises ValueError if it has another shape, or is of another number."""
    (height, width), (rows, columns) = pictures.shape[1:3], other.shape[1:3]
    if abs(np.log(columns * height / (rows * width))) > ALIKE:
        raise ValueError(
            f"The images cannot be compared: 'before' is {width} x {height}, but '{name}' is {columns} x {rows}. Connect images of "
            "one shape: decode with Inversion Decode, or crop one of them."
        )
    if len(other) not in (1, len(pictures)):
        raise ValueError(
            f"There are {len(other)} images at '{name}' for {len(pictures)}. Connect equally many, or one for all."
        )
    other = rgb(other).cpu().float()
    if (rows, columns) != (height, width):
        moved = F.interpolate(
            other.movedim(-1, 1), (height, width), mode="bicubic", antialias=True, align_corners=False
        )
        other = moved.movedim(1, -1).clamp(0, 1)
    return other.expand(len(pictures), -1, -1, -1)
