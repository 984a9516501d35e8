"""`latent-inversion demo`: held-out images of the toybox world, edited by words, beside what they should be."""

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ...api.model import Model, load
from ...inversion_core.quality.metrics import psnr
from ...inversion_core.shapes import Picture
from ...pictures.contact import Pair, contact_sheet
from ...pictures.files import Pixels, to_pixels, to_tensor, write_picture
from ...toybox.judge import edit_right
from ...toybox.loaders import load_judge
from ...toybox.world import Edit, edit_mask, held_out_edits, render
from ..outputs import check_folder, pasted, write_text

MODEL, METHOD, GUIDANCE, STRENGTH = "toybox-flow", "FlowEdit", 5.0, 0.75
"""Of the methods that get every edit right the one whose edits are nearest to the truth (docs/methods.md)."""
LOCAL = ("fur", "shirt")
"""Changes of a part of the image: the edit finds the region."""
CHOICE = 160
SHOWN = {
    "time: day to sunset": "Day to sunset",
    "fur: ginger to gray": "Ginger fur to gray",
    "place: desert to snow": "Desert to snow",
    "style: photo to sketch": "Photo to sketch",
    "time: sunset to night": "Sunset to night",
    "shirt: yellow to purple": "Yellow shirt to purple",
}
"""The first held-out edit of this name is shown under this title, for each of these."""
SHEET = "demo.png"
TITLE = "Edited by changing words: before and after"
LINES = (
    "No model has seen these images. They are the first held-out image of each of six changes; the true result is known.",
    f"{METHOD}, guidance {GUIDANCE:g}, on the small model that comes with the pack. It finds the region of fur and shirt itself.",
)
FOOT = "Small: the true result, then plain DDIM inversion at the same guidance, in the same order."
HEADER = (
    f"{'':<34}{METHOD:>14}{'':4}{'plain DDIM':>14}\n"
    f"{'edit':<28}{'right':<6}" + f"{'inside':>9}{'outside':>9}" * 2 + f"{'seconds':>9}\n"
    "(dB to the true result, in and around the region that changes: more is better)"
)


@dataclass(frozen=True)
class Shown:
    """An edit of the demo: the image, the edit, what it should be, and what plain DDIM inversion makes of it."""

    edit: Edit
    before: Pixels
    after: Pixels
    truth: Picture
    plain: Pixels
    seconds: float

    def row(self, judge: object) -> dict[str, object]:
        """Its entry of report.json."""
        return {
            "name": self.edit.name,
            "source_prompt": self.edit.source_caption,
            "target_prompt": self.edit.target_caption,
            **self.figures(judge, self.after),
            "plain_ddim": self.figures(judge, self.plain),
            "seconds": round(self.seconds, 2),
        }

    def figures(self, judge: object, pixels: Pixels) -> dict[str, object]:
        """How near pixels are to the truth, in and around the region that truly changes, and whether they show the change."""
        picture, mask = to_tensor(pixels), edit_mask(self.edit.source, self.edit.target)[None, None]
        inside, outside = (float(psnr(picture, self.truth, where)[0]) for where in (mask, ~mask))
        return {
            "edit_right": edit_right(judge, picture, [self.edit])[0].right,
            "psnr_inside": round(inside, 3),
            "psnr_outside": None if math.isnan(outside) else round(outside, 3),
        }


def run(options: argparse.Namespace) -> None:
    """Fill the folder with the images, report.json and the contact sheet, and print a line of figures per edit."""
    out, began = options.out, time.perf_counter()
    check_folder(out, argparse.Namespace(), "")
    out.mkdir(parents=True, exist_ok=True)
    sheet, where = out / SHEET, pasted(out / SHEET)
    # Networks this small gain nothing from more threads, and on a busy machine threads wait for each other.
    torch.set_num_threads(1)
    model, judge, shown, rows = load(MODEL), load_judge(), [], []
    print(HEADER)
    for edit in demo_edits():
        shown.append(show(model, edit, options.steps))
        rows.append(shown[-1].row(judge))
        keep(out, shown[-1])
        print(line_of(rows[-1]), flush=True)
    write_text(out / "report.json", json.dumps({"edits": rows}, indent=2, allow_nan=False) + "\n")
    write_picture(sheet, draw_sheet(shown))
    print(f"{len(rows)} edits in {time.perf_counter() - began:.0f} s. All of them on one sheet: {where}")


def demo_edits() -> list[Edit]:
    """An edit of every sort, each of another scene."""
    edits = held_out_edits(CHOICE)
    return [next(edit for edit in edits if edit.name == name) for name in SHOWN]


def show(model: Model, edit: Edit, steps: int) -> Shown:
    """Edit one image as the library does it, and with plain DDIM inversion at the same guidance."""
    truth, before = render([edit.target]), to_pixels(render([edit.source]))
    began = time.perf_counter()
    opened = model.invert(before, edit.source_caption, inversion=None)
    local = edit.changed[0] in LOCAL
    ours = {"method": METHOD, "guidance": GUIDANCE, "strength": STRENGTH, "steps": steps, "find_region": local}
    after, seconds = opened.edit(edit.target_caption, **ours).pixels, time.perf_counter() - began
    plain = opened.edit(edit.target_caption, method="ddim", guidance=GUIDANCE, steps=steps, cross=0, self_attention=0)
    return Shown(edit, before, after, truth, plain.pixels, seconds)


def keep(out: Path, shown: Shown) -> None:
    """Write the images before and after, to try other words on."""
    name = shown.edit.name.replace(": ", "_").replace(" ", "_")
    for when, pixels in (("before", shown.before), ("after", shown.after)):
        write_picture(out / f"{name}_{when}.png", pixels)


def line_of(row: dict) -> str:
    """An edit's line on the screen."""
    plain = row["plain_ddim"]
    figures = "".join(
        f"{'-' if number is None else format(number, '.1f'):>9}"
        for which in (row, plain)
        for number in (which["psnr_inside"], which["psnr_outside"])
    )
    return f"{row['name']:<28}{'yes' if row['edit_right'] else 'no':<6}{figures}{row['seconds']:9.1f}"


def draw_sheet(shown: Sequence[Shown]) -> Pixels:
    """All edits on one sheet, large, and the truth and plain DDIM small."""
    pairs = [
        Pair(title, one.before, one.after, (to_pixels(one.truth), one.plain))
        for title, one in zip(SHOWN.values(), shown, strict=True)
    ]
    return contact_sheet(TITLE, LINES, pairs, FOOT)
