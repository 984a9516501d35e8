"""`latent-inversion demo`: held-out pictures of the toybox world, edited and compared with their true edits."""

import argparse
import json
import math
import time
from dataclasses import dataclass

from tqdm import tqdm

from ...api.control import watch
from ...api.models import load_toybox
from ...api.progress import bar
from ...inversion_core.attention.maps import mean_maps
from ...inversion_core.shapes import Picture
from ...pictures.files import Pixels, to_pixels, write_picture
from ...pictures.sheet import Cell, heat, sheet
from ...toybox.loaders import load_judge
from ...toybox.world import Edit, held_out_edits
from ..cases import Case, World, null_texts, prepare
from ..evaluation import Outcome, control_for, evaluate, reconstruct
from ..outputs import check_folder, pasted, write_text

CHOICE = 160
SHOWN = ("time: day to night", "accessory: none to glasses", "fur:", "shirt:", "place:", "style: photo to painting")
"""The first held-out edit whose name begins so is shown, for each of these."""


@dataclass(frozen=True)
class Shown:
    """All that a sheet shows of one edit."""

    case: Case
    traced: dict[str, tuple[Picture, float]]
    outcome: Outcome
    word: str
    heat: Pixels


def run(options: argparse.Namespace) -> None:
    """Fill the folder with a sheet per edit and report.json, and print a line of figures per edit."""
    out, began = options.out, time.perf_counter()
    check_folder(out, argparse.Namespace(), "")
    out.mkdir(parents=True, exist_ok=True)
    world = World(load_toybox(), load_judge())
    edits = demo_edits()
    with bar() as on_step:
        cases = prepare(world, edits, steps=options.steps, on_step=on_step)
    with bar() as on_step:
        optimised = null_texts(world, cases, on_step=on_step)
    traced = {}
    for method, embeddings in (("ddim", []), ("null-text", optimised)):
        with bar(f"retracing, {method}") as on_step:
            traced[method] = reconstruct(world, cases, optimised=embeddings, on_step=on_step)
    rows = []
    print(HEADER)
    for number, case in enumerate(tqdm(cases, "editing", leave=False)):
        shown = show(world, case, {method: pictures[number] for method, pictures in traced.items()})
        name = f"{number + 1}_{case.edit.name.replace(': ', '_').replace(' ', '_')}.png"
        write_picture(out / name, draw_sheet(shown))
        rows.append(row_of(shown))
        tqdm.write(line_of(rows[-1]))
    write_text(out / "report.json", json.dumps({"edits": rows}, indent=2, allow_nan=False) + "\n")
    print(f"{len(rows)} sheets and report.json in {pasted(out)}, {time.perf_counter() - began:.0f} s")


def demo_edits() -> list[Edit]:
    """An edit of every sort, each of another scene."""
    edits = held_out_edits(CHOICE)
    return [next(edit for edit in edits if edit.name.startswith(beginning)) for beginning in SHOWN]


def show(world: World, case: Case, traced: dict[str, tuple[Picture, float]]) -> Shown:
    """Edit with direct and Prompt-to-Prompt, beside the source as other methods retraced it."""
    word = changed_word(case.edit)
    technique, bank = watch(world.studio.prompt_tokens(case.edit.target_caption), word)
    outcome = evaluate(world, case, "direct", control_for(case.edit), extra=[technique])
    traced = traced | {"direct": (outcome.reconstruction, outcome.reconstruction_psnr)}
    maps = mean_maps(bank, "word")[0, 0]
    return Shown(case, traced, outcome, word, heat(to_pixels(case.picture), maps))


def changed_word(edit: Edit) -> str:
    """The word of the target that the edit is about."""
    return str(getattr(edit.target, edit.changed[0]))


def row_of(shown: Shown) -> dict[str, object]:
    """An edit's entry of report.json."""
    outcome, edit = shown.outcome, shown.case.edit
    return {
        "name": edit.name,
        "source_prompt": edit.source_caption,
        "target_prompt": edit.target_caption,
        "ceiling_psnr": round(shown.case.ceiling_psnr, 3),
        "reconstruction_psnr": {m.replace("-", "_"): round(quality, 3) for m, (_, quality) in shown.traced.items()},
        "edit_right": outcome.edit_right,
        "psnr_inside": round(outcome.psnr_inside, 3),
        "psnr_outside": None if math.isnan(outcome.psnr_outside) else round(outcome.psnr_outside, 3),
        "evaluations": outcome.evaluations,
        "seconds": round(outcome.seconds, 2),
    }


HEADER = (
    "PSNR in dB               ceiling |  source retraced by    |   the edit against the truth     |\n"
    "edit                             |  ddim null-text direct | right   inside   outside         | evaluations seconds"
)


def line_of(row: dict) -> str:
    """An edit's line on the screen."""
    back, outside = row["reconstruction_psnr"], row["psnr_outside"]
    return (
        f"{row['name']:<25}{row['ceiling_psnr']:7.1f} | {back['ddim']:5.1f} {back['null_text']:9.1f} {back['direct']:6.1f} | "
        f"{'yes' if row['edit_right'] else 'no':<5} {row['psnr_inside']:8.1f} {'-' if outside is None else format(outside, '.1f'):>9} {'':8} | "
        f"{row['evaluations']:11} {row['seconds']:7.1f}"
    )


def draw_sheet(shown: Shown) -> Pixels:
    """The sheet of one edit."""
    case, outcome = shown.case, shown.outcome
    back = {
        method: (to_pixels(picture), f"guidance 7.5: {quality:.1f} dB")
        for method, (picture, quality) in shown.traced.items()
    }
    outside = (
        "the whole image changes" if math.isnan(outcome.psnr_outside) else f"outside {outcome.psnr_outside:.1f} dB"
    )
    verdict = "the judge sees the change" if outcome.edit_right else "the judge does not see the change"
    cells = [
        Cell("source", to_pixels(case.picture), f"the autoencoder alone: {case.ceiling_psnr:.1f} dB"),
        Cell("retraced: plain DDIM", *back["ddim"]),
        Cell("retraced: null-text", *back["null-text"]),
        Cell("retraced: direct", *back["direct"]),
        Cell("the edit", to_pixels(outcome.picture), f"direct + Prompt-to-Prompt, guidance 7.5; {verdict}"),
        Cell(
            "the truth",
            to_pixels(case.truth),
            f"the edit is {outcome.psnr_inside:.1f} dB from it inside the region, {outside}",
        ),
        Cell(f"attention to '{shown.word}'", shown.heat, "mean of all steps, over the source"),
        Cell("where the truth differs", to_pixels(case.mask.float().expand(-1, 3, -1, -1))),
    ]
    lines = [f"from: {case.edit.source_caption}", f"to: {case.edit.target_caption}"]
    return sheet(case.edit.name, lines, cells)
