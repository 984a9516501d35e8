"""Strong edits with and without a ControlNet: what changes looks, and what is to stay where it is, on held-out toybox edits.

    python benchmarks/control.py --edits 60 --out out/control

prints tables, and writes `control.json` and a sheet of the best, median and worst cases. Edits of style, time, place and
animal, each from the picture's own DDIM inversion at full strength and under strong guidance: plain DDIM, direct
inversion with Prompt-to-Prompt, and image-to-image (noise that is drawn, at a share of the steps). `control` says which
passes go by the source picture's edges: none, the target's alone, or inversion, source and target (all);
Prompt-to-Prompt, whose source lends its attention, has none or all. Quality is the mean over edits: `right` by the judge,
`kept` (the other attributes stayed), PSNR to the true picture of the edit outside its region (of those that have an
outside) and over the whole, SSIM to it, and `edges`: the correlation of the edges with the true edit's. A row of the
sheet has the picture, its edges, the true edit, and the results in the order in which they are made: none, target, all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor
from truth.frame import Record, batches, command, in_workers, means, table, write_report
from truth.score import figures

from latent_inversion.api.control import techniques
from latent_inversion.api.models import load_toybox
from latent_inversion.command_line.cases import World
from latent_inversion.command_line.evaluation import control_for
from latent_inversion.inversion_core.backends.diffusers.control import Control
from latent_inversion.inversion_core.backends.diffusers.network import Prompt
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import Edit as Along
from latent_inversion.inversion_core.loops.edit import Target
from latent_inversion.inversion_core.loops.integrate import integrate
from latent_inversion.inversion_core.solvers import euler
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.inversion_core.types import Cond
from latent_inversion.toybox.control import edges
from latent_inversion.toybox.loaders import load_control, load_judge
from latent_inversion.toybox.training.common import write_sheet
from latent_inversion.toybox.training.evaluate_control import agreement
from latent_inversion.toybox.world import Edit, held_out_edits, render

KINDS = ("style", "time", "place", "animal")
SIDES = ("source", "target")
METHODS = ("plain DDIM", "direct + Prompt-to-Prompt", "image-to-image")
PASSES = {"none": (False, False), "target": (False, True), "all": (True, True)}
"""Whether the source, in inversion and edit, and the target go by the hint."""
HEADS = {"right": "%", "kept": "%", "outside": ".1f", "whole": ".1f", "ssim": ".3f", "edges": ".3f"}
BATCH = 10


@dataclass(frozen=True)
class Setup:
    """What is measured."""

    steps: int
    guidance: float
    control: float  # strength of the ControlNet
    image_to_image: float  # share of the steps


@dataclass(frozen=True)
class Batch:
    """Edits with their pictures, the pictures' latents, and the prompts of both sides, without and with the hint."""

    edits: Sequence[Edit]
    pictures: Tensor
    truths: Tensor
    x0: Tensor
    prompts: dict[tuple[str, bool], Prompt]

    def conds(self, steered: tuple[bool, bool], guidance: float) -> list[Cond]:
        """The prompts of source and target under guidance, each with or without the hint."""
        return [
            Cond(self.prompts[side, on], self.prompts["blank", on], guidance)
            for side, on in zip(SIDES, steered, strict=True)
        ]

    def row(self, number: int) -> "Batch":
        """The batch of one edit alone."""
        here = slice(number, number + 1)

        def cut(prompt: Prompt) -> Prompt:
            control = prompt.control and replace(prompt.control, hint=prompt.control.hint[here])
            return replace(prompt, embedding=prompt.embedding[here], control=control)

        prompts = {key: cut(prompt) for key, prompt in self.prompts.items()}
        return Batch(self.edits[here], self.pictures[here], self.truths[here], self.x0[here], prompts)


def drawn(world: World, network: Any, edits: Sequence[Edit], strength: float) -> Batch:
    pictures, truths = (render([getattr(e, side) for e in edits]) for side in ("source", "target"))
    control = Control(network, edges(pictures), strength)
    captions = {side: [getattr(e, f"{side}_caption") for e in edits] for side in SIDES} | {"blank": [""] * len(edits)}
    prompts = {(name, False): world.studio.encode_prompts(texts) for name, texts in captions.items()}
    prompts |= {(name, True): replace(prompt, control=control) for (name, _), prompt in prompts.items()}
    return Batch(edits, pictures, truths, world.studio.encode_picture(pictures), prompts)


def run(world: World, batch: Batch, setup: Setup) -> Iterator[tuple[str, str, Tensor]]:
    """The edited pictures by method and control."""
    grid, decode = world.studio.grid(setup.steps, batch.x0), world.studio.decode
    for passes, steered in PASSES.items():
        conds = batch.conds(steered, setup.guidance)
        trajectory = invert(INVERSIONS["ddim"], world.studio.denoiser, batch.x0, grid, conds[0].alone())
        yield METHODS[0], passes, decode(sampled(world, trajectory.xs[0], grid, conds[1]))
        if passes != "target":
            rows = [
                attended(world, batch.row(number), trajectory.row(number), setup, steered)
                for number in range(len(batch.edits))
            ]
            yield METHODS[1], passes, decode(torch.cat(rows))
        if passes != "all":  # it has no source
            start = round((1 - setup.image_to_image) * setup.steps)
            noise = torch.randn(batch.x0.shape, generator=torch.Generator().manual_seed(0))
            yield METHODS[2], passes, decode(sampled(world, batch.x0 + grid[start] * noise, grid[start:], conds[1]))


def measure(edits: Sequence[Edit], setup: Setup) -> tuple[list[dict[str, Any]], list[Tensor]]:
    """The records of a batch, and its pictures: for each edit the source, its edges, the truth, and what the methods made."""
    torch.set_num_threads(1)
    world, network = World(load_toybox(), load_judge()), load_control()
    batch, records = drawn(world, network, edits, setup.control), []
    columns = [batch.pictures, edges(batch.pictures), batch.truths]
    for method, passes, pictures in run(world, batch, setup):
        records += records_of(world, batch, method, passes, pictures)
        columns.append(pictures)
    return records, list(torch.stack(columns, dim=1))


def sampled(world: World, x: Tensor, grid: Tensor, cond: Cond) -> Tensor:
    return integrate(euler, world.studio.denoiser, x, grid, cond).xs[-1]


def attended(world: World, one: Batch, trajectory: Trajectory, setup: Setup, steered: tuple[bool, bool]) -> Tensor:
    """A batch of one edit with the source's attention, from the source that stays on its trajectory."""
    (case,) = one.edits
    captions = case.source_caption, case.target_caption
    used = techniques(world.studio, trajectory.sigmas, *captions, control_for(case))
    source, target = one.conds(steered, setup.guidance)
    return Along(trajectory, world.studio.denoiser, source, [Target(target, used)], direct).run()[0].target


def records_of(world: World, batch: Batch, method: str, passes: str, pictures: Tensor) -> Iterator[dict[str, Any]]:
    """A record for each picture of the batch; `edges` is the correlation of its edges with the truth's."""
    rows = figures(world.judge, batch.edits, pictures, batch.truths, tuple(HEADS)[:-1])
    likeness = agreement(pictures, edges(batch.truths)).tolist()
    for edit, row, alike in zip(batch.edits, rows, likeness, strict=True):
        facts = {"method": method, "control": passes, "kind": edit.changed[0], "name": edit.name}
        yield facts | row | {"edges": alike}


def mean_table(records: Sequence[Record], kinds: Sequence[str]) -> str:
    """The means over edits of some kinds as a Markdown table."""
    rows = []
    for method in METHODS:
        for passes in PASSES:
            chosen = [r for r in records if (r["method"], r["control"]) == (method, passes) and r["kind"] in kinds]
            rows += [((method, passes), means(chosen, HEADS).values())] if chosen else []
    return table(("method", "control"), HEADS, rows)


def sheet(records: Sequence[dict[str, Any]], shown: Sequence[Tensor]) -> list[Tensor]:
    """A row of pictures for each of three best, median and worst cases: by what the control gives plain DDIM's edges."""
    gains = [
        [r["edges"] for r in records if (r["method"], r["control"]) == (METHODS[0], passes)]
        for passes in ("target", "none")
    ]
    order = sorted(range(len(shown)), key=lambda case: gains[1][case] - gains[0][case])
    middle = len(order) // 2
    return [shown[case] for case in (*order[:3], *order[middle - 1 : middle + 2], *order[-3:])]


def main() -> None:
    """Run the benchmark."""
    parser = command(__doc__ or "", out="out/control", edits=60, steps=15)
    parser.add_argument("--guidance", type=float, default=7.5)
    parser.add_argument("--control", type=float, default=1.0, help="strength of the ControlNet")
    parser.add_argument("--image-to-image", type=float, default=0.8, help="share of the steps (default: %(default)s)")
    chosen = parser.parse_args()
    setup = Setup(chosen.steps, chosen.guidance, chosen.control, chosen.image_to_image)
    edits = held_out_edits(chosen.edits, kinds=KINDS)
    parts = batches(edits, BATCH)
    records: list[dict[str, Any]] = []
    shown: list[Tensor] = []
    for done, columns in in_workers(measure, chosen.workers, parts, [setup] * len(parts)):
        records, shown = records + done, [*shown, *columns]
        write_report(chosen.out / "control.json", {"edits": chosen.edits, **asdict(setup)}, records=records)
        print(f"{len(shown)} of {len(edits)} edits", flush=True)
    write_sheet(chosen.out / "control.png", sheet(records, shown))
    print(mean_table(records, KINDS))
    for kind in KINDS:
        print(f"\n{kind}\n\n{mean_table(records, (kind,))}")


if __name__ == "__main__":
    main()
