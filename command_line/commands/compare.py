"""`latent-inversion compare`: every method that fits the model on one picture, side by side."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from ...api.inversion import Inversion
from ...api.progress import bar
from ...api.request import prompts_of
from ...inversion_core.applications.compare import Compared, compare, fitting
from ...inversion_core.applications.ranking import BEST, Standing, best_first, found, place, standing
from ...inversion_core.methods import EDITORS, EditJob
from ...inversion_core.progress import OnStep
from ...inversion_core.quality.metrics import psnr
from ...inversion_core.wording import quoted
from ...pictures.errors import UserError
from ...pictures.files import Pixels, to_tensor, write_picture
from ...pictures.sheet import Cell, sheet
from ..notes import note_equal
from ..outputs import check_folder, named_after, pasted, write_text
from ..verdict import lacking, verdicts
from ..workspace import open_workspace


def run(options: argparse.Namespace) -> None:
    """Edit the picture with each method; print the figures, and write the pictures, a sheet of them and the figures."""
    out = options.out or named_after(options.picture, ".methods")
    check_folder(
        out, options, "|".join(re.escape(name) for name in ("methods.png", "methods.json", *map(file_of, EDITORS)))
    )
    note_equal(options.source, options.target)
    workspace = open_workspace(options)
    names = choose(workspace, options.methods, options.few_steps)
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    cells = [Cell("the image", workspace.pixels), Cell("the autoencoder alone", workspace.picture(workspace.x0))]
    edits: list[tuple[dict[str, Any], Pixels]] = []
    print(
        f"{'method':<20} {'evaluations':>11} {'seconds':>8} {'reconstruction':>14} {'edit against image':>19}  verdict"
    )
    with bar(shown=not options.quiet) as on_step:
        for result in compare(
            job_of(workspace, options, on_step),
            names,
            lambda s: prompts_of(workspace.studio, (options.source, options.target), s, few_steps=options.few_steps),
            guidance=options.guidance,
            usual=workspace.studio.guidance,
            strengths=[options.strength],
            few_steps=options.few_steps,
            likelihood=True,
        ):
            row = row_of(workspace, result, options)
            rows.append(row)
            print(line_of(row))
            if result.edited is not None:
                edited = workspace.picture(result.edited.target)
                write_picture(out / file_of(result.name), edited)
                edits.append((row, edited))
    written(out, options, cells, rows, edits)


def written(
    out: Path,
    options: argparse.Namespace,
    cells: list[Cell],
    rows: list[dict[str, Any]],
    edits: list[tuple[dict[str, Any], Pixels]],
) -> None:
    """Write the sheet, best first, and the figures; print the places. Raises UserError, with the reasons, if nothing was edited."""
    if not edits:
        reasons = "; ".join(f"{row['method']}: {row['refused']}" for row in rows)
        raise UserError(f"No method could edit this image. {reasons}")
    edits = best_first(edits, lambda edit: Standing(edit[0]["arrived"], edit[0]["likeness"]))
    for number, (row, edited) in enumerate(edits):
        row["place"] = number + 1
        cells.append(Cell(f"{place(number)}: {row['method']}", edited, note_of(row), number < BEST))
    lines = [
        f"from: {options.source}",
        f"to: {options.target}",
        "Best first: what shows the change, then what keeps most outlines.",
    ]
    write_picture(out / "methods.png", sheet("Methods side by side", lines, cells))
    write_text(out / "methods.json", json.dumps({"methods": rows}, indent=2) + "\n")
    print("best first:", ", ".join(f"{place(number)} {row['method']}" for number, (row, _) in enumerate(edits)))
    print(f"{len(edits)} images, methods.png and methods.json in {pasted(out)}")


def file_of(method: str) -> str:
    """The name of a method's picture."""
    return f"{method.replace(' ', '-')}.png"


def choose(workspace: Inversion, names: list[str], few_steps: bool = False) -> list[str]:
    """The methods to run. Raises UserError at one that the model cannot run."""
    able = fitting(workspace.studio.denoiser, few_steps)
    for name in names:
        if name not in able:
            raise UserError(f"{quoted(name)} does not work on this kind of model. Choose from: {', '.join(able)}.")
    return names or able


def job_of(workspace: Inversion, options: argparse.Namespace, on_step: OnStep) -> EditJob:
    """The edit as the core knows it; each method sets its own guidance and strength."""
    studio, x0 = workspace.studio, workspace.x0
    source, target = (studio.cond(text) for text in (options.source, options.target))
    sigmas = studio.grid(options.steps or studio.steps, x0)
    return EditJob(studio.denoiser, x0, sigmas, source, target, seed=options.seed, on_step=on_step)


def row_of(workspace: Inversion, result: Compared, options: argparse.Namespace) -> dict[str, Any]:
    """A method's figures: how near its source branch came to the picture, how far its edit went from it, and whether the change
    is there, by the toybox's judge or the model's own eye."""
    row: dict[str, Any] = {"method": result.name}
    if result.edited is None:
        return row | {"refused": result.refused}
    original = to_tensor(workspace.pixels)
    ends = (result.edited.source[-1], result.edited.target)
    back, edited = (workspace.picture(x) for x in ends)
    kept, moved = (float(psnr(to_tensor(one), original)) for one in (back, edited))
    settings = {"guidance": result.settings.guidance, "strength": result.settings.strength}
    free = EDITORS[result.name].inversion is None  # there is no source branch
    figures = {"source_psnr": None if free else round(kept, 2), "edit_psnr": round(moved, 2)}
    (verdict,) = verdicts([workspace.pixels], [edited], None if free else [back])
    lacks = lacking(edited, options.model, options.source, options.target)
    figures |= {
        "arrived": standing(result, verdict).arrived if lacks is None else not lacks,
        "outcome": verdict.outcome,
        "changed": round(verdict.changed, 3),
        "likeness": round(verdict.likeness, 3),
    }
    return row | settings | figures | {"evaluations": result.evaluations, "seconds": round(result.seconds, 2)}


def line_of(row: dict[str, Any]) -> str:
    """A method's line on the screen."""
    if "refused" in row:
        return f"{row['method']:<20} {row['refused']}"
    back = "-" if row["source_psnr"] is None else f"{row['source_psnr']:.1f} dB"
    return f"{row['method']:<20} {row['evaluations']:>11} {row['seconds']:>8.1f} {back:>14} {row['edit_psnr']:>16.1f} dB  {came_out(row)}"


def came_out(row: dict[str, Any]) -> str:
    """What came out, in words."""
    return found(row["outcome"], row["arrived"], row["likeness"])


def note_of(row: dict[str, Any]) -> str:
    """What stands below a method's picture."""
    settings = f"strength {row['strength']:g}, guidance {row['guidance']:g}"
    return f"{came_out(row)}; {settings}; {row['evaluations']} evaluations, {row['seconds']:.1f} s"
