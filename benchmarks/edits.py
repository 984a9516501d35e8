"""Edits with a true answer: every way to keep the source, with and without Prompt-to-Prompt, on held-out toybox edits.

    python benchmarks/edits.py --edits 64 --workers 2 --out out/benchmark

prints a table and writes `edits.json`. Quality is the mean over edits: `right` by the judge (the change is there), `kept`
(the other attributes stayed), PSNR to the true picture of the edit inside and outside its true region, and PSNR of the
source branch's end against the picture (at best the autoencoder's own).
`evaluations` counts the network's evaluations of one edit: its inversion, its optimisation and its sampling.
"""

from collections.abc import Sequence
from typing import Any

import torch
from truth.frame import Record, batches, command, in_workers, means, table, write_report

from latent_inversion.api.control import NO_CONTROL
from latent_inversion.api.models import load_toybox
from latent_inversion.command_line.cases import GUIDANCE, World, null_texts, prepare
from latent_inversion.command_line.evaluation import control_for, evaluate
from latent_inversion.toybox.loaders import load_judge
from latent_inversion.toybox.world import Edit, held_out_edits

METHODS = ("ddim", "null-text", "negative-prompt", "direct")
HEADS = {"right": "%", "kept": "%"} | dict.fromkeys(
    ("inside", "outside", "reconstruction", "evaluations", "seconds"), ".1f"
)
FIELDS = {
    "right": "edit_right",
    "kept": "kept_share",
    "inside": "psnr_inside",
    "outside": "psnr_outside",
    "reconstruction": "reconstruction_psnr",
}
"""What an outcome calls a column, where that is another name."""
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
                facts = {"name": case.edit.name, "method": method, "attention": attention}
                records.append(facts | {column: getattr(outcome, FIELDS.get(column, column)) for column in HEADS})
    return records


def mean_table(records: Sequence[Record]) -> str:
    """The means as a Markdown table."""
    rows = []
    for method in METHODS:
        for attention, name in ((False, "none"), (True, "prompt-to-prompt")):
            chosen = [r for r in records if r["method"] == method and r["attention"] == attention]
            rows += [((method, name), means(chosen, HEADS).values())] if chosen else []
    return table(("method", "attention"), HEADS, rows)


def main() -> None:
    """Run the benchmark."""
    parser = command(__doc__ or "", out="out/benchmark", edits=64, steps=50)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    chosen = parser.parse_args()
    edits = held_out_edits(chosen.edits)
    parts = batches(edits, BATCH)
    records: list[dict[str, Any]] = []
    shared = ([value] * len(parts) for value in (chosen.steps, chosen.methods))
    for done in in_workers(measure, chosen.workers, parts, *shared):
        records += done
        print(f"{len(records) // (2 * len(chosen.methods))} of {len(edits)} edits", flush=True)
    settings = {"edits": chosen.edits, "steps": chosen.steps, "guidance": GUIDANCE}
    write_report(chosen.out / "edits.json", settings, records=records)
    print(mean_table(records))


if __name__ == "__main__":
    main()
