"""The settings that nobody touched, on every kind of change that the toybox knows the truth of.

    python benchmarks/defaults.py --cases 160 --out out/defaults
    python benchmarks/defaults.py --cases 160 --family flow --out out/defaults-flow

Ours is the library's and the command's edit with two prompts and nothing else, which is Inversion Edit Sampler with
Attention Edit as they are put on the canvas: direct inversion, Prompt-to-Prompt in its usual windows, the middle of the
dial. It is held against plain DDIM inversion and image-to-image from the noise of `LEVEL` of the steps, at the same guidance and steps.
"""

from collections.abc import Sequence
from functools import partial

import torch
from truth.frame import means, table
from truth.run import OURS, baselines, options, run
from truth.score import Score

from latent_inversion.api.model import Model
from latent_inversion.command_line.cases import World
from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.pictures.files import to_pixels
from latent_inversion.toybox.hosts.studios import TOYBOX_GUIDANCE
from latent_inversion.toybox.world import KINDS, Edit, held_out_edits, render

LEVEL = 0.7
COLUMNS = {"right": "%", "inside": ".1f", "outside": ".1f"}


def edited(world: World, edits: Sequence[Edit], *, steps: int) -> Picture:
    """The edits as the library makes them."""
    model = Model(world.studio, progress=False)
    inverted = (model.invert(to_pixels(render([edit.source])), edit.source_caption, steps=steps) for edit in edits)
    made = (one.edit(edit.target_caption).tensor for one, edit in zip(inverted, edits, strict=True))
    return torch.cat(list(made))


def by_kind(found: Sequence[Score], methods: Sequence[str]) -> str:
    """The means of each kind of change, and of all, as Markdown: the methods beside each other for each figure."""
    heads = {f"{column}: {method}": how for column, how in COLUMNS.items() for method in methods}
    rows = []
    for kind in (*KINDS, ""):
        of = {m: means((s for s in found if s["method"] == m and s["name"].startswith(kind)), COLUMNS) for m in methods}
        rows.append(((kind or "all",), [of[method][column] for column in COLUMNS for method in methods]))
    return table(("change",), heads, rows)


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "", out="out/defaults", cases=160, guidance=TOYBOX_GUIDANCE)
    settings = {"steps": chosen.steps, "guidance": chosen.guidance}
    methods = {OURS: partial(edited, steps=chosen.steps), **baselines(**settings, levels=(LEVEL,))}
    found = run(chosen, held_out_edits(chosen.cases), methods, ours=OURS)
    print(by_kind(found, tuple(methods)))


if __name__ == "__main__":
    main()
