"""Precise editing against the truth: glasses and hats, fur, and the time of day, on held-out toybox pictures.

    python benchmarks/precise.py --cases 60 --out out/precise

Ours is `latent-inversion edit` with its method, direct inversion, the toybox's guidance, Prompt-to-Prompt, and for what
changes a part of the picture the words that show where. It is held against plain DDIM inversion and image-to-image at
every noise level, each at the toybox's guidance and at 7.5.
"""

from collections.abc import Sequence
from functools import partial

import torch
from truth.run import Method, baselines, options, run

from latent_inversion.command_line.cases import World, prepare
from latent_inversion.command_line.evaluation import control_for
from latent_inversion.command_line.models import TOYBOX_GUIDANCE
from latent_inversion.command_line.recipes import run_edit
from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.toybox.world import Edit, held_out_edits

KINDS = ("accessory", "fur", "time")
OURS = "ours"


def edited(world: World, edits: Sequence[Edit], *, steps: int) -> Picture:
    """The edits as the command makes them."""
    studio, pictures = world.studio, []
    for case in prepare(world, edits, steps=steps):
        words, control = (case.edit.source_caption, case.edit.target_caption), control_for(case.edit)
        ends = run_edit(studio, case.trajectory, *words, guidance=studio.guidance, control=control)
        pictures.append(studio.decode(ends.target))
    return torch.cat(pictures)


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "", out="out/precise")
    methods: dict[str, Method] = {OURS: partial(edited, steps=chosen.steps)}
    for guidance in (TOYBOX_GUIDANCE, 7.5):
        others = baselines(steps=chosen.steps, guidance=guidance)
        methods |= {f"{name}, guidance {guidance:g}": method for name, method in others.items()}
    run(chosen, held_out_edits(chosen.cases, kinds=KINDS), methods, ours=OURS)


if __name__ == "__main__":
    main()
