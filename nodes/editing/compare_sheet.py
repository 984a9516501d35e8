"""The methods' edits of one picture, best first: a page, a batch with their names, and lines of figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...inversion_core.applications.compare import Compared
from ...inversion_core.applications.ranking import BEST, Standing, best_first, found, kept, place, standing
from ...inversion_core.quality.verdict import Verdict
from ...pictures.drawing import INK, LINE, PAPER, wrap, write
from ...pictures.files import to_pixels
from ...pictures.sheet import MARK, Cell, sheet
from ...toybox.truth import Nearness
from ..inverting.decode import decode
from ..looking.before_after import fitted_to
from ..looking.report_figures import channels_first
from ..looking.report_truth import against_truth
from ..looking.report_verdict import verdicts
from ..sockets import Scale

CHOICES = ("best", *(place(number) for number in range(1, BEST)))
"""By the place that an edit has."""


@dataclass(frozen=True)
class Shown:
    """A method's edit as an IMAGE, the verdict on it, and how near it came to the true one if that is known."""

    result: Compared
    image: Tensor
    verdict: Verdict
    near: Nearness | None = None

    @property
    def standing(self) -> Standing:
        if self.near is None:
            return standing(self.result, self.verdict)
        return Standing(self.near.right if self.near.wanted else self.verdict.outcome == "edited", self.near.whole)

    @property
    def found(self) -> str:
        """What came out, in words."""
        if self.near is None:
            return found(self.verdict.outcome, self.standing.arrived, self.verdict.likeness)
        right = "right" if self.near.right else kept(self.verdict.likeness)
        named = f"missing: {', '.join(self.near.missing)}" if self.near.missing else right
        return f"{named}, {self.near.whole:.1f} dB from the true edit"

    @property
    def cost(self) -> str:
        settings, result = self.result.settings, self.result
        numbers = f"strength {settings.strength:g}, guidance {settings.guidance:g}"
        return f"{numbers}; {result.evaluations} evaluations, {result.seconds:.1f} s"


def ranked(
    vae: Any, image: Tensor, scale: Scale, results: Sequence[Compared], truth: Tensor | None = None
) -> list[Shown]:
    """The edits that there are, best first. Raises ValueError, with the reasons, if there is none."""
    true = None if truth is None else fitted_to(image, truth[:1], "truth")
    shown = []
    for result in results:
        if result.edited is not None:
            edited, back = (
                decode(vae, scale.latent(x), None, None) for x in (result.edited.target, result.edited.source[-1])
            )
            (verdict,) = verdicts(image, edited, back)
            near = None if true is None else against_truth(image, edited, true)[0]
            shown.append(Shown(result, edited, verdict, near))
    if not shown:
        raise ValueError("No method could edit this image. " + " ".join(refusals(results)))
    return best_first(shown, lambda one: one.standing)


def chosen(shown: Sequence[Shown], choice: str) -> Shown:
    """The edit of that place, or by the method of that name. Raises ValueError if there is none."""
    named = {one.result.name: one for one in shown} | dict(zip(CHOICES, shown, strict=False))
    if choice not in named:
        there = ", ".join(one.result.name for one in shown)
        raise ValueError(f"There is no edit '{choice}' to choose. Choose 'best', or one of: {there}.")
    return named[choice]


def page(image: Tensor, shown: Sequence[Shown], truth: Tensor | None, strength: float) -> Tensor:
    """All edits under their places and names, the best in green, as an IMAGE; at strength 0 each ran at its own."""
    cells = [Cell("the image", to_pixels(channels_first(image)))]
    cells += [] if truth is None else [Cell("the true edit", to_pixels(channels_first(truth[:1])))]
    cells += [
        Cell(
            f"{place(number)}: {one.result.name}",
            to_pixels(channels_first(one.image)),
            f"{one.found}; {one.cost}",
            number < BEST,
        )
        for number, one in enumerate(shown)
    ]
    then = "what keeps most of its outlines" if truth is None else "what is nearest to the true edit"
    at = "Each method runs at its published strength." if not strength else f"All run at strength {strength:g}."
    said = f"Best first: what shows the change, then {then}. {at}"
    return torch.from_numpy(sheet("Methods side by side", [said], cells, columns=5).copy()).float()[None] / 255


def labelled(shown: Sequence[Shown]) -> Tensor:
    """The edits as a batch, each over its place and name."""
    width, strips = shown[0].image.shape[2], []
    names = [wrap(f"{place(number)}: {one.result.name}", width - 8) for number, one in enumerate(shown)]
    height = LINE * max(map(len, names)) + 6
    for number, lines in enumerate(names):
        strip = Image.new("RGB", (width, height), PAPER)
        for row, line in enumerate(lines):
            write(ImageDraw.Draw(strip), (4, 3 + row * LINE), line, MARK if number < BEST else INK)
        strips.append(torch.from_numpy(np.asarray(strip).astype(np.float32) / 255))
    return torch.cat([torch.cat([one.image for one in shown]).cpu().float(), torch.stack(strips)], 1)


def figures(shown: Sequence[Shown], results: Sequence[Compared]) -> str:
    """A line for each method: those that edited, best first, then those that could not."""
    lines = [f"{one.result.name}: {place(number)}; {one.found}; {one.cost}" for number, one in enumerate(shown)]
    return "\n".join([*lines, *refusals(results)])


def refusals(results: Sequence[Compared]) -> list[str]:
    """Why methods could not edit."""
    return [f"{result.name}: {result.refused}" for result in results if result.edited is None]
