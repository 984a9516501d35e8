"""`latent-inversion compare`: every method that fits the model on one picture, side by side."""

import argparse
import json
import re

from ..inversion_core.editors import EDITORS
from ..inversion_core.editors import Job as EditJob
from ..inversion_core.editors.compare import Compared, compare, fitting
from ..inversion_core.metrics import psnr
from ..inversion_core.wording import quoted
from .drawing import Cell, sheet
from .jobs import Job, open_job
from .mistakes import Mistake
from .outputs import check_folder, named_after, write_text
from .pictures import to_tensor, write_picture
from .progress import bar


def compare_command(options: argparse.Namespace) -> None:
    """Edit the picture with each method; print the figures, and write the pictures, a sheet of them and the figures."""
    out = options.out or named_after(options.picture, ".methods")
    check_folder(
        out, options, "|".join(re.escape(name) for name in ("methods.png", "methods.json", *map(file_of, EDITORS)))
    )
    job = open_job(options)
    names = chosen(job, options.methods)
    out.mkdir(parents=True, exist_ok=True)
    rows, cells = (
        [],
        [Cell("the picture", job.pixels, options.source), Cell("the autoencoder alone", job.picture(job.x0))],
    )
    print(f"{'method':<20} {'evaluations':>11} {'seconds':>8} {'source kept':>12} {'edit against picture':>21}")
    with bar(shown=not options.quiet) as on_step:
        for result in compare(
            edit_job(job, options, on_step),
            names,
            lambda s: (job.studio.cond(options.source, s.source_guidance), job.studio.cond(options.target, s.guidance)),
            guidance=options.guidance,
            strengths=[options.strength],
        ):
            row = row_of(job, result)
            rows.append(row)
            print(line_of(row))
            if result.edited is not None:
                edited = job.picture(result.edited.target)
                write_picture(out / file_of(result.name), edited)
                cells.append(Cell(result.name, edited, note_of(row)))
    lines = [f"from: {options.source}", f"to: {options.target}"]
    write_picture(out / "methods.png", sheet("Methods side by side", lines, cells))
    write_text(out / "methods.json", json.dumps({"methods": rows}, indent=2) + "\n")
    print(f"{len(cells) - 2} pictures, methods.png and methods.json in {out}")


def file_of(method: str) -> str:
    """The name of a method's picture."""
    return f"{method.replace(' ', '-')}.png"


def chosen(job: Job, names: list[str]) -> list[str]:
    """The methods to run. Raises Mistake at one that the model cannot run."""
    able = fitting(job.studio.denoiser)
    for name in names:
        if name not in able:
            raise Mistake(f"{quoted(name)} does not work on this kind of model; these do: {', '.join(able)}.")
    return names or able


def edit_job(job: Job, options: argparse.Namespace, on_step: object) -> EditJob:
    """The edit as the core knows it; each method sets its own guidance and strength."""
    source, target = (job.studio.cond(text) for text in (options.source, options.target))
    sigmas = job.studio.grid(options.steps, job.x0)
    return EditJob(job.studio.denoiser, job.x0, sigmas, source, target, seed=options.seed, on_step=on_step)  # type: ignore[arg-type]


def row_of(job: Job, result: Compared) -> dict[str, object]:
    """A method's figures: how well its source branch kept the picture, and how far its edit went from it."""
    row: dict[str, object] = {"method": result.name}
    if result.edited is None:
        return row | {"refused": result.refused}
    original = to_tensor(job.pixels)
    ends = (result.edited.source[-1], result.edited.target)
    kept, moved = (float(psnr(to_tensor(job.picture(x)), original)) for x in ends)
    settings = {"guidance": result.settings.guidance, "strength": result.settings.strength}
    free = EDITORS[result.name].inversion is None  # there is no source branch
    figures = {"source_psnr": None if free else round(kept, 2), "edit_psnr": round(moved, 2)}
    return row | settings | figures | {"evaluations": result.evaluations, "seconds": round(result.seconds, 2)}


def line_of(row: dict[str, object]) -> str:
    """A method's line on the screen."""
    if "refused" in row:
        return f"{row['method']:<20} {row['refused']}"
    kept = "-" if row["source_psnr"] is None else f"{row['source_psnr']:.1f} dB"
    return (
        f"{row['method']:<20} {row['evaluations']:>11} {row['seconds']:>8.1f} {kept:>12} {row['edit_psnr']:>18.1f} dB"
    )


def note_of(row: dict[str, object]) -> str:
    kept = "" if row["source_psnr"] is None else f"; source kept at {row['source_psnr']:.1f} dB"
    spent = f"{row['evaluations']} evaluations, {row['seconds']:.1f} s"
    return f"{spent}; guidance {row['guidance']:g}, strength {row['strength']:g}{kept}"
