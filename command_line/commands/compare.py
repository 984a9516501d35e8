"""`latent-inversion compare`: every method that fits the model on one picture, side by side."""

import argparse
import json
import re

from ...api.inversion import Inversion
from ...api.progress import bar
from ...api.request import prompts_of
from ...inversion_core.applications.compare import Compared, compare, fitting
from ...inversion_core.methods import EDITORS, EditJob
from ...inversion_core.progress import OnStep
from ...inversion_core.quality.metrics import psnr
from ...inversion_core.wording import quoted
from ...pictures.errors import UserError
from ...pictures.files import to_tensor, write_picture
from ...pictures.sheet import Cell, sheet
from ..outputs import check_folder, named_after, place, write_text
from ..verdict import OUTCOMES, note_equal, verdicts
from ..workspace import open_workspace

FIRST = 2
"""Cells of a sheet before those of the methods."""


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
    rows: list[dict[str, object]] = []
    cells = [
        Cell("the image", workspace.pixels, options.source),
        Cell("the autoencoder alone", workspace.picture(workspace.x0)),
    ]
    print(f"{'method':<20} {'evaluations':>11} {'seconds':>8} {'source kept':>12} {'edit against image':>21}  verdict")
    with bar(shown=not options.quiet) as on_step:
        for result in compare(
            job_of(workspace, options, on_step),
            names,
            lambda s: prompts_of(workspace.studio, (options.source, options.target), s, few_steps=options.few_steps),
            guidance=options.guidance,
            strengths=[options.strength],
            few_steps=options.few_steps,
        ):
            row = row_of(workspace, result)
            rows.append(row)
            print(line_of(row))
            if result.edited is not None:
                edited = workspace.picture(result.edited.target)
                write_picture(out / file_of(result.name), edited)
                cells.append(Cell(result.name, edited, note_of(row)))
    if len(cells) == FIRST:
        reasons = "; ".join(f"{row['method']}: {row['refused']}" for row in rows)
        raise UserError(f"No method could edit this image. {reasons}")
    lines = [f"from: {options.source}", f"to: {options.target}"]
    write_picture(out / "methods.png", sheet("Methods side by side", lines, cells))
    write_text(out / "methods.json", json.dumps({"methods": rows}, indent=2) + "\n")
    print(f"{len(cells) - FIRST} images, methods.png and methods.json in {place(out)}")


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


def row_of(workspace: Inversion, result: Compared) -> dict[str, object]:
    """A method's figures: how well its source branch kept the picture, and how far its edit went from it."""
    row: dict[str, object] = {"method": result.name}
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
    figures |= {
        "outcome": verdict.outcome,
        "changed": round(verdict.changed, 3),
        "likeness": round(verdict.likeness, 3),
    }
    return row | settings | figures | {"evaluations": result.evaluations, "seconds": round(result.seconds, 2)}


def line_of(row: dict[str, object]) -> str:
    """A method's line on the screen."""
    if "refused" in row:
        return f"{row['method']:<20} {row['refused']}"
    source_kept = "-" if row["source_psnr"] is None else f"{row['source_psnr']:.1f} dB"
    return f"{row['method']:<20} {row['evaluations']:>11} {row['seconds']:>8.1f} {source_kept:>12} {row['edit_psnr']:>18.1f} dB  {OUTCOMES[str(row['outcome'])]}"


def note_of(row: dict[str, object]) -> str:
    source_kept = "" if row["source_psnr"] is None else f"; source kept at {row['source_psnr']:.1f} dB"
    spent = f"{row['evaluations']} evaluations, {row['seconds']:.1f} s"
    return f"{spent}; guidance {row['guidance']:g}, strength {row['strength']:g}{source_kept}"
