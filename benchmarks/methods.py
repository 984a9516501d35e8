"""Every method on edits with a true answer, as curves over the strength of the edit, on both model families.

    python benchmarks/methods.py --family unet flow --edits 100 --workers 2 --out out/methods

writes `methods.json`, a table of each family's best strengths in Markdown, and, if matplotlib is there, the curves as
pictures. All methods get the same pictures, prompts, steps and guidance; where a method was published with another guidance for the
source than for the target, the source keeps it.
Quality is the mean over edits: `right` by the judge (the change is there), `kept` (the other attributes stayed), PSNR to
the true picture of the edit inside and outside its true region and over the whole, SSIM to it, and `source`: PSNR of the
source branch's end against the picture, which the autoencoder limits. `evaluations` are those of the network for one
picture, its inversion and optimisation included; null-text's backward passes are not counted, and cost about two more each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor
from truth.frame import batches, command, in_workers, write_report
from truth.score import figures

from latent_inversion.api.models import DTYPES, load_toybox
from latent_inversion.command_line.cases import World
from latent_inversion.inversion_core.applications.compare import Compared, compare, fitting
from latent_inversion.inversion_core.methods import EDITORS, EditJob, Settings
from latent_inversion.inversion_core.methods.null_text import optimize_null_text
from latent_inversion.inversion_core.quality.metrics import psnr
from latent_inversion.inversion_core.types import Cond
from latent_inversion.toybox.loaders import load_judge
from latent_inversion.toybox.world import Edit, held_out_edits, render

STRENGTHS = (0.5, 0.75, 1.0)
COLUMNS = ("right", "kept", "inside", "outside", "whole", "ssim")
BATCH = 10


@dataclass(frozen=True)
class Setup:
    """What is measured; a run goes on only with the same."""

    steps: int
    guidance: float
    strengths: tuple[float, ...]
    methods: tuple[str, ...]
    dtype: str


@dataclass(frozen=True)
class Batch:
    """Edits with their pictures, their truths, the pictures' latents, and what these keep of them in dB."""

    edits: Sequence[Edit]
    pictures: Tensor
    truths: Tensor
    x0: Tensor
    held: Tensor


@cache
def world_of(family: str, dtype: str) -> World:
    torch.set_num_threads(1)
    return World(load_toybox(dtype=DTYPES[dtype], family=family), load_judge())


def drawn(world: World, edits: Sequence[Edit]) -> Batch:
    pictures, truths = (render([getattr(edit, side) for edit in edits]) for side in ("source", "target"))
    x0 = world.studio.encode_picture(pictures)
    return Batch(edits, pictures, truths, x0, psnr(world.studio.decode(x0), pictures))


def measure(family: str, edits: Sequence[Edit], setup: Setup) -> list[dict[str, Any]]:
    """One record per edit, method and strength."""
    world = world_of(family, setup.dtype)
    batch = drawn(world, edits)
    results = run(world, batch, setup)
    return [{"family": family, **record} for result in results for record in records_of(world, batch, result)]


def run(world: World, batch: Batch, setup: Setup) -> Iterator[Compared]:
    """The batch's edits by all methods at all strengths."""
    studio = world.studio
    x0, blank = batch.x0, studio.encode_prompt("")
    source, target = (
        studio.encode_prompts([getattr(e, f"{side}_caption") for e in batch.edits]) for side in ("source", "target")
    )

    def conds(settings: Settings) -> tuple[Cond, Cond]:
        apart = settings.source_guidance != settings.guidance
        return Cond(source, blank, settings.source_guidance if apart else setup.guidance), guided(target)

    def guided(prompt: Any) -> Cond:
        return Cond(prompt, blank, setup.guidance)

    job = EditJob(studio.denoiser, x0, studio.grid(setup.steps, x0), guided(source), guided(target))
    names = [name for name in setup.methods or tuple(EDITORS) if name in fitting(studio.denoiser)]
    if "null-text" in names:  # optimised once for all strengths
        trajectory = EDITORS["null-text"].invert(job)
        job = replace(job, null_text=optimize_null_text(trajectory, job.denoiser, job.source))
    for result in compare(job, names, conds, strengths=setup.strengths):
        spent = job.null_text.evaluations if result.name == "null-text" and job.null_text else 0
        yield replace(result, evaluations=result.evaluations + spent)


def records_of(world: World, batch: Batch, result: Compared) -> Iterator[dict[str, Any]]:
    """A record for each picture of the batch; one that says why if the method refused."""
    facts = {"method": result.name, "strength": result.settings.strength, "refused": result.refused}
    if result.edited is None:
        yield facts
        return
    pictures, end = world.studio.decode(result.edited.target), result.edited.source[-1]
    exact = torch.equal(end, batch.x0)
    kept = batch.held if exact else psnr(world.studio.decode(end), batch.pictures)
    spent = {"evaluations": result.evaluations, "seconds": result.seconds / len(batch.edits)}
    rows = figures(world.judge, batch.edits, pictures, batch.truths, COLUMNS)
    for edit, row, source in zip(batch.edits, rows, kept.tolist(), strict=True):
        yield facts | {"name": edit.name, **row, "source": source, **spent}


def main() -> None:
    """Run the benchmark."""
    parser = command(__doc__ or "", out="out/methods", edits=100, steps=10)
    parser.add_argument("--family", nargs="+", choices=("unet", "flow"), default=["unet", "flow"])
    parser.add_argument("--guidance", type=float, default=5.0, help="of the target prompt (default: %(default)s)")
    parser.add_argument("--strengths", type=float, nargs="+", default=STRENGTHS)
    parser.add_argument("--methods", nargs="+", default=(), choices=tuple(EDITORS), metavar="METHOD")
    parser.add_argument(
        "--dtype", choices=tuple(DTYPES), default="bfloat16", help="of the networks; latents stay in float32 or better"
    )
    chosen = parser.parse_args()
    setup = Setup(chosen.steps, chosen.guidance, tuple(chosen.strengths), tuple(chosen.methods), chosen.dtype)
    edits = held_out_edits(chosen.edits)
    parts = [(family, batch, setup) for batch in batches(edits, BATCH) for family in chosen.family]
    records: list[dict[str, Any]] = []
    for number, done in enumerate(in_workers(measure, chosen.workers, *zip(*parts, strict=True)), start=1):
        records += done
        write_report(chosen.out / "methods.json", {"edits": chosen.edits, **asdict(setup)}, records=records)
        print(f"{number} of {len(parts)} batches", flush=True)
    from charts import draw, tables

    print(tables(records))
    draw(records, chosen.out)


if __name__ == "__main__":
    main()
