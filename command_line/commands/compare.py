"""`latent-inversion compare`: every method that fits the model on one picture, side by side."""

import argparse
import json
import re

from ...inversion_core.applications.compare import Compared, compare, fitting
from ...inversion_core.backends.diffusers.studio import Studio
from ...inversion_core.methods import EDITORS, EditJob, Settings
from ...inversion_core.quality.metrics import psnr
from ...inversion_core.types import Cond
from ...inversion_core.wording import quoted
from ...pictures.files import to_tensor, write_picture
from ...pictures.sheet import Cell, sheet
from ..errors import Mistake
from ..outputs import check_folder, named_after, write_text
from ..progress import bar
from ..verdict import OUTCOMES, note_equal, verdicts
from ..workspace import Job, open_job

FIRST = 2
"""Cells of a sheet before those of the methods."""


def compare_command(options: argparse.Namespace) -> None:
    """Edit the picture with each method; print the figures, and write the pictures, a sheet of them and the figures."""
    out = options.out or named_after(options.picture, ".methods")
    check_folder(
        out, options, "|".join(re.escape(name) for name in ("methods.png", "methods.json", *map(file_of, EDITORS)))
    )
    note_equal(options.source, options.target)
    job = open_job(options)
    names = chosen(job, options.methods, options.few_steps)
    out.mkdir(parents=True, exist_ok=True)
    rows, cells = (
        [],
        [Cell("the picture", job.pixels, options.source), Cell("the autoencoder alone", job.picture(job.x0))],
    )
    print(f"{'method':<20} {'evaluations':>11} {'seconds':>8} {'source kept':>12} {'edit against image':>21}  verdict")
    with bar(shown=not options.quiet) as on_step:
        for result in compare(
            edit_job(job, options, on_step),
            names,
            lambda s: prompts(job.studio, options, s),
            guidance=options.guidance,
            strengths=[options.strength],
            few_steps=options.few_steps,
        ):
            row = row_of(job, result)
            rows.append(row)
            print(line_of(row))
            if result.edited is not None:
                edited = job.picture(result.edited.target)
                write_picture(out / file_of(result.name), edited)
                cells.append(Cell(result.name, edited, note_of(row)))
    if len(cells) == FIRST:
        reasons = "; ".join(f"{row['method']}: {row['refused']}" for row in rows)
        raise Mistake(f"No method could edit this image. {reasons}")
    lines = [f"from: {options.source}", f"to: {options.target}"]
    write_picture(out / "methods.png", sheet("Methods side by side", lines, cells))
    write_text(out / "methods.json", json.dumps({"methods": rows}, indent=2) + "\n")
    print(f"{len(cells) - FIRST} images, methods.png and methods.json in {out}")


def file_of(method: str) -> str:
    """The name of a method's picture."""
    return f"{method.replace(' ', '-')}.png"


def prompts(studio: Studio, options: argparse.Namespace, settings: Settings) -> tuple[Cond, Cond]:
    """The prompts under the guidance of the settings; those of a few-step model by themselves where they are not guided."""
    numbers = ((options.source, settings.source_guidance), (options.target, settings.guidance))
    source, target = (studio.cond(text, guidance) for text, guidance in numbers)
    if not options.few_steps:
        return source, target
    return source if source.guided else source.alone(), target if target.guided else target.alone()


def chosen(job: Job, names: list[str], few_steps: bool = False) -> list[str]:
    """The methods to run. Raises Mistake at one that the model cannot run."""
    able = fitting(job.studio.denoiser, few_steps)
    for name in names:
        if name not in able:
            raise Mistake(f"{quoted(name)} does not work on this kind of model. Choose from: {', '.join(able)}.")
    return names or able


def edit_job(job: Job, options: argparse.Namespace, on_step: object) -> EditJob:
    """The edit as the core knows it; each method sets its own guidance and strength."""
    source, target = (job.studio.cond(text) for text in (options.source, options.target))
    sigmas = job.studio.grid(options.steps or job.studio.steps, job.x0)
    return EditJob(job.studio.denoiser, job.x0, sigmas, source, target, seed=options.seed, on_step=on_step)  # type: ignore[arg-type]


def row_of(job: Job, result: Compared) -> dict[str, object]:
    """A method's figures: how well its source branch kept the picture, and how far its edit went from it."""
    row: dict[str, object] = {"method": result.name}
    if result.edited is None:
        return row | {"refused": result.refused}
    original = to_tensor(job.pixels)
    ends = (result.edited.source[-1], result.edited.target)
    back, edited = (job.picture(x) for x in ends)
    kept, moved = (float(psnr(to_tensor(one), original)) for one in (back, edited))
    settings = {"guidance": result.settings.guidance, "strength": result.settings.strength}
    free = EDITORS[result.name].inversion is None  # there is no source branch
    figures = {"source_psnr": None if free else round(kept, 2), "edit_psnr": round(moved, 2)}
    (verdict,) = verdicts([job.pixels], [edited], None if free else [back])
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
    kept = "-" if row["source_psnr"] is None else f"{row['source_psnr']:.1f} dB"
    return f"{row['method']:<20} {row['evaluations']:>11} {row['seconds']:>8.1f} {kept:>12} {row['edit_psnr']:>18.1f} dB  {OUTCOMES[str(row['outcome'])]}"


def note_of(row: dict[str, object]) -> str:
    kept = "" if row["source_psnr"] is None else f"; source kept at {row['source_psnr']:.1f} dB"
    spent = f"{row['evaluations']} evaluations, {row['seconds']:.1f} s"
    return f"{spent}; guidance {row['guidance']:g}, strength {row['strength']:g}{kept}"
