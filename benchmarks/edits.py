"""Edits with a true answer: every way to keep the source, with and without Prompt-to-Prompt, on held-out toybox edits.

    python benchmarks/edits.py --edits 64 --workers 2 --out out/benchmark

prints a table and writes `edits.json`. Quality is the mean over edits: `right` by the judge (the change is there), `kept`
(the other attributes stayed), PSNR to the true picture of the edit inside and outside its true region, and PSNR of the
source branch's end against the picture (at best the autoencoder's own).
`evaluations` counts the network's evaluations of one edit: its inversion, its optimisation and its sampling.
"""

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from latent_inversion.command_line.cases import GUIDANCE, World, null_texts, prepare
from latent_inversion.command_line.control import NO_CONTROL
from latent_inversion.command_line.evaluation import control_for, evaluate
from latent_inversion.command_line.models import load_toybox
from latent_inversion.toybox.loaders import load_judge
from latent_inversion.toybox.world import Edit, held_out_edits

METHODS = ("ddim", "null-text", "negative-prompt", "direct")
COLUMNS = ("right", "kept", "inside", "outside", "reconstruction", "evaluations", "seconds")
BATCH = 8


def measure(edits: Sequence[Edit], steps: int, methods: Sequence[str]) -> list[dict[str, Any]]:
    """One record per edit, method and control."""
    torch.set_num_threads(1)
    world = World(load_toybox(), load_judge())
    cases = prepare(world, edits, steps=steps)
    optimised = null_texts(world, cases) if "null-text" in methods else [None] * len(cases)
    records = []
    for case, embeddings in zip(cases, optimised, strict=True):
        for method in methods:
            for attention in (False, True):
                control = control_for(case.edit) if attention else NO_CONTROL
                used = embeddings if method == "null-text" else None
                outcome = evaluate(world, case, method, control, optimised=used)
                records.append(
                    {
                        "name": case.edit.name,
                        "method": method,
                        "attention": attention,
                        "right": outcome.edit_right,
                        "kept": outcome.kept_share,
                        "inside": outcome.psnr_inside,
                        "outside": outcome.psnr_outside,
                        "reconstruction": outcome.reconstruction_psnr,
                        "evaluations": outcome.evaluations,
                        "seconds": outcome.seconds,
                    }
                )
    return records


def mean_of(records: Sequence[dict[str, Any]], column: str) -> float:
    """The mean of a column over the records that have it (an edit of the whole picture has no outside)."""
    values = torch.tensor([float(record[column]) for record in records], dtype=torch.float64)
    return float(values[torch.isfinite(values)].mean())


def table(records: Sequence[dict[str, Any]]) -> str:
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
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--out", type=Path, default=Path("out/benchmark"))
    chosen = parser.parse_args()
    edits = held_out_edits(chosen.edits)
    batches = [edits[i : i + BATCH] for i in range(0, len(edits), BATCH)]
    records: list[dict[str, Any]] = []
    with ProcessPoolExecutor(chosen.workers, mp_context=get_context("spawn")) as pool:
        for done in pool.map(measure, batches, [chosen.steps] * len(batches), [chosen.methods] * len(batches)):
            records += done
            print(f"{len(records) // (2 * len(chosen.methods))} of {len(edits)} edits", flush=True)
    settings = {"edits": chosen.edits, "steps": chosen.steps, "guidance": GUIDANCE}
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "edits.json").write_text(json.dumps({"settings": settings, "records": records}, indent=1) + "\n")
    print(table(records))


if __name__ == "__main__":
    main()
