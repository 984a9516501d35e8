"""Runs an application's benchmark: our default against baselines on the same cases, in worker processes."""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, TypeAlias

import torch

from latent_inversion.api.models import load_toybox
from latent_inversion.command_line.cases import World
from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.toybox.loaders import load_judge
from latent_inversion.toybox.world import Edit, Scene

from .baselines import LEVELS, ddim, image_to_image
from .frame import batches, command, in_workers, write_report
from .score import Score, means, scores, table, verdict
from .sheet import sheets

Method: TypeAlias = Callable[[World, Sequence[Any]], Picture]
"""The edited pictures [n, 3, 128, 128] of a batch of cases; a module's function, so that processes can be handed it."""

BATCH = 10
OURS = "ours"


def baselines(*, steps: int, guidance: float, levels: Sequence[float] = LEVELS) -> dict[str, Method]:
    """Plain DDIM, and image-to-image at each level, for cases that are edits with captions."""
    settings = {"steps": steps, "guidance": guidance}
    return {"plain DDIM": partial(ddim, **settings)} | {
        f"image-to-image {level:g}": partial(image_to_image, level=level, **settings) for level in levels
    }


def pairs(first_seed: int) -> Iterator[tuple[Scene, Scene]]:
    """Pairs of scenes from a seed on."""
    for seed in count(first_seed, 2):
        yield Scene.from_seed(seed), Scene.from_seed(seed + 1)


def measure(
    first: int, cases: Sequence[Edit], methods: Mapping[str, Method], family: str
) -> tuple[list[Score], dict[str, Picture]]:
    """The scores and the pictures of a batch of cases by every method."""
    torch.set_num_threads(1)
    world, found, shown = World(load_toybox(family=family), load_judge()), [], {}
    for name, method in methods.items():
        began = time.perf_counter()
        shown[name] = method(world, cases)
        seconds = (time.perf_counter() - began) / len(cases)
        found += scores(world.judge, name, first, cases, shown[name], seconds=seconds)
    return found, shown


def options(
    description: str, *, out: str, cases: int = 60, steps: int = 20, guidance: float = 7.5
) -> argparse.Namespace:
    """The command line of an application's benchmark."""
    parser = command(description, out=out, cases=cases, steps=steps)
    parser.add_argument("--guidance", type=float, default=guidance, help="of the baselines (default: %(default)s)")
    parser.add_argument("--family", choices=("unet", "flow"), default="unet")
    return parser.parse_args()


def run(
    chosen: argparse.Namespace,
    cases: Sequence[Edit],
    methods: Mapping[str, Method],
    *,
    ours: str,
) -> list[Score]:
    """Measure, print the table and ours against the rest, write scores.json and sheets of the best, median and worst cases.

    Of image-to-image the level with the highest PSNR inside is the one on the sheets.
    """
    found: list[Score] = []
    pictures: dict[str, list[Picture]] = {name: [] for name in methods}
    task = partial(measure, methods=methods, family=chosen.family)
    for done, shown in in_workers(task, chosen.workers, range(0, len(cases), BATCH), batches(cases, BATCH)):
        found += done
        for name, batch in shown.items():
            pictures[name].append(batch)
        print(f"{len(found) // len(methods)} of {len(cases)} cases", flush=True)
    settings = {name: value for name, value in vars(chosen).items() if name != "out"}
    write_report(chosen.out / "scores.json", settings, scores=found)
    print(table(found))
    print(verdict(found, ours))
    levels = [name for name in methods if name.startswith("image-to-image")]
    best = max(levels, key=lambda name: means(found)[name]["inside"], default=None)
    kept = {n: torch.cat(p) for n, p in pictures.items() if n not in levels or n == best}
    sheets(chosen.out, found, cases, kept, ours=ours)
    return found
