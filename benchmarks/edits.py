"""Edits with a true answer: every way to keep the source, with and without Prompt-to-Prompt, on held-out toybox edits.

    python benchmarks/edits.py --edits 64 --workers 2 --out out/benchmark

prints a table and writes `edits.json`. Quality is the mean over edits: `right` by the judge (the change is there), `kept`
(the other attributes stayed), PSNR to the true picture of the edit inside and outside its true region, and PSNR of the
reconstructed source against the autoencoded one (the reconstruction of a run that is asked for the source again).
`evaluations` counts the network's evaluations of one edit: its inversion, its optimisation and its sampling.
"""

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch

from latent_inversion.command_line.models import load_toybox
from latent_inversion.command_line.recipes import NO_CONTROL, Control, run_edit, run_null_text, stacked
from latent_inversion.inversion_core.backends.diffusers_studio import Studio
from latent_inversion.inversion_core.methods import INVERSIONS, invert
from latent_inversion.inversion_core.metrics import Count, Counted, psnr
from latent_inversion.inversion_core.schedules import leading
from latent_inversion.inversion_core.trajectory import NullText, Trajectory
from latent_inversion.inversion_core.types import Cond
from latent_inversion.toybox.draw import render
from latent_inversion.toybox.edits import Edit, edit_mask, held_out_edits
from latent_inversion.toybox.judge import edit_right
from latent_inversion.toybox.loaders import load_judge

GUIDANCE = 7.5
METHODS = ("ddim", "null-text", "negative-prompt", "direct")
COLUMNS = ("right", "kept", "inside", "outside", "reconstruction", "evaluations", "seconds")


def control_of(edit: Edit, *, full: bool) -> Control:
    """Prompt-to-Prompt as published, words standing in for words, or no control at all."""
    return Control(alignment="replace") if full else NO_CONTROL


def row(trajectory: Trajectory, index: int) -> Trajectory:
    """The trajectory of one picture of a batch."""
    xs = tuple(x[index : index + 1] for x in trajectory.xs)
    return Trajectory(trajectory.path, trajectory.sigmas, xs, trajectory.solver, provenance=trajectory.provenance)


def row_of_null_text(result: NullText, index: int) -> NullText:
    """The null-text result of one picture of a batch."""
    embeddings = tuple(e[index : index + 1] for e in result.embeddings)
    return NullText(result.sigmas, embeddings, result.first, result.last, result.evaluations)


def measure(edits: Sequence[Edit], steps: int, methods: Sequence[str]) -> list[dict[str, object]]:
    """One record per edit, method and control."""
    torch.set_num_threads(1)
    studio, judge = load_toybox(), load_judge()
    pictures = render([edit.source for edit in edits])
    x0 = studio.encode_picture(pictures)
    captions = [edit.source_caption for edit in edits]
    sigmas = leading(studio.table, steps)
    started = time.perf_counter()
    trajectory = invert(INVERSIONS["ddim"], studio.denoiser, x0, sigmas, Cond(stacked(studio, captions)))
    shared = {"invert": (time.perf_counter() - started) / len(edits)}
    null_text = None
    if "null-text" in methods:
        started = time.perf_counter()
        null_text = run_null_text(studio, trajectory, captions, guidance=GUIDANCE)
        shared["null-text"] = (time.perf_counter() - started) / len(edits)
    return [
        {"name": edit.name, "method": method, "attention": attention}
        | one(
            studio,
            judge,
            edit,
            row(trajectory, index),
            method,
            attention,
            shared,
            null_text and row_of_null_text(null_text, index),
        )
        for index, edit in enumerate(edits)
        for method in methods
        for attention in (False, True)
    ]


def one(
    studio: Studio,
    judge: torch.nn.Module,
    edit: Edit,
    trajectory: Trajectory,
    method: str,
    attention: bool,
    shared: dict[str, float],
    null_text: NullText | None,
) -> dict[str, object]:
    """Run one edit and hold it against the truth."""
    count = Count(trajectory.steps)
    started = time.perf_counter()
    edited = run_edit(
        studio,
        trajectory,
        edit.source_caption,
        edit.target_caption,
        method=method,
        guidance=GUIDANCE,
        control=control_of(edit, full=attention),
        denoiser=Counted(studio.denoiser, count),
        null_text=null_text,
    )
    seconds = time.perf_counter() - started + shared["invert"]
    if method == "null-text" and null_text is not None:
        count.evaluations += null_text.evaluations
        seconds += shared["null-text"]
    picture, rebuilt, ceiling = (studio.decode(x) for x in (edited.target, edited.source[-1], trajectory.xs[-1]))
    truth, mask = render([edit.target]), edit_mask(edit.source, edit.target)[None, None].float()
    verdict = edit_right(judge, picture, [edit])[0]
    return {
        "right": float(verdict.right),
        "kept": verdict.kept_share,
        "inside": float(psnr(picture, truth, mask)),
        "outside": float(psnr(picture, truth, 1 - mask)),
        "reconstruction": min(float(psnr(rebuilt, ceiling)), 99.0),
        "evaluations": float(count.evaluations),
        "seconds": seconds,
    }


def mean_of(records: Sequence[dict[str, object]], column: str) -> float:
    """The mean of a column over the records that have it (an edit of the whole picture has no outside)."""
    values = torch.tensor([float(record[column]) for record in records], dtype=torch.float64)
    return float(values[torch.isfinite(values)].mean())


def table(records: Sequence[dict[str, object]]) -> str:
    """The means as a Markdown table."""
    lines = ["| method | attention | " + " | ".join(COLUMNS) + " |", "|---|---|" + "---:|" * len(COLUMNS)]
    for method in METHODS:
        for attention in (False, True):
            chosen = [r for r in records if r["method"] == method and r["attention"] == attention]
            if chosen:
                means = {column: mean_of(chosen, column) for column in COLUMNS}
                shown = [f"{100 * means[c]:.0f} %" if c in ("right", "kept") else f"{means[c]:.1f}" for c in COLUMNS]
                lines.append(
                    f"| {method} | {'prompt-to-prompt' if attention else 'none'} | " + " | ".join(shown) + " |"
                )
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--out", type=Path, default=Path("out/benchmark"))
    chosen = parser.parse_args()
    edits = held_out_edits(chosen.edits)
    batches = [edits[i : i + 8] for i in range(0, len(edits), 8)]
    records: list[dict[str, object]] = []
    with ProcessPoolExecutor(chosen.workers, mp_context=get_context("spawn")) as pool:
        for done in pool.map(measure, batches, [chosen.steps] * len(batches), [chosen.methods] * len(batches)):
            records += done
            print(f"{len({str(r['name']) for r in records})} of {len(edits)} edits", flush=True)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "edits.json").write_text(
        json.dumps({"settings": {"steps": chosen.steps, "guidance": GUIDANCE}, "records": records}, indent=1)
    )
    print(table(records))


if __name__ == "__main__":
    main()
