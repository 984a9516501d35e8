"""The pictures of the help pages of inversions: `python tools/help_pictures.py [NODE ...]` fills web/docs/pictures.

Everything is rendered by the toybox and edited by the pack itself; a node is a function of the table.
"""

from dataclasses import replace

import numpy as np
import torch
from help_bench import begun, bench, decibels, drawn, example, main

from latent_inversion.command_line.editing import run_null_text
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.methods.with_null_text import with_null_text
from latent_inversion.inversion_core.refine import refine
from latent_inversion.pictures.files import Pixels, to_pixels, to_tensor
from latent_inversion.pictures.sheet import Cell, amplify, curves

BLUE, RED = (37, 99, 235), (220, 60, 40)
GLASSES, DAY_TO_NIGHT = "accessory: none to glasses", "time: day to night"
FACTOR = 8


def encode() -> list[Cell]:
    """An odd size continued by reflection, and what the autoencoder loses without and with refinement."""
    studio, picture = bench().studio, to_pixels(drawn(example("shirt").source))
    cropped = picture[:112, :96]
    padded = to_tensor(cropped, 64)
    x0 = studio.encode_picture(padded)
    better = refine(studio.decoded, x0, padded, steps=30)
    whole = to_pixels(padded)
    seen = [to_pixels(studio.decode(x)) for x in (x0, better)]
    return [
        Cell("image of 96 x 112", _on_paper(cropped, whole.shape)),
        Cell(f"decoded: {decibels(seen[0], whole)}", seen[0]),
        Cell(f"its loss, x {FACTOR}", amplify(seen[0], whole, FACTOR)),
        Cell("continued to 128", whole),
        Cell(f"refined: {decibels(seen[1], whole)}", seen[1]),
        Cell(f"its loss, x {FACTOR}", amplify(seen[1], whole, FACTOR)),
    ]


def _on_paper(pixels: Pixels, shape: tuple[int, ...]) -> Pixels:
    """The picture at the upper left of white."""
    white = np.full(shape, 255, np.uint8)
    white[: pixels.shape[0], : pixels.shape[1]] = pixels
    return white


def ddim() -> list[Cell]:
    """The film from picture to noise, and the way back at guidance 1 and at 7.5."""
    edit = example(DAY_TO_NIGHT)
    (here, trajectory, source), words = begun(edit, steps=25), edit.source_caption
    walk = replay(trajectory, here.studio.denoiser, here.studio.cond(words, 1.0))
    back, guided = here.shown(walk.xs[-1]), here.back(trajectory, words, 7.5)
    return [
        Cell("the image", source),
        Cell("half-way up", here.noisy(trajectory, 10)),
        Cell("its noise", here.noisy(trajectory, 0)),
        Cell("half-way down", here.noisy(replace(trajectory, xs=walk.xs), 14)),
        Cell(f"back: {decibels(back, source)}", back),
        Cell(f"guidance 7.5: {decibels(guided, source)}", guided),
    ]


def _two_ways(names: tuple[str, str], labels: tuple[str, str], steps: int, guidance: float) -> list[Cell]:
    """A picture retraced along two inversions, and what each loses against the autoencoder."""
    here, edit = bench(steps=steps), example(GLASSES)
    picture, words = drawn(edit.source), edit.source_caption
    best = here.shown(here.studio.encode_picture(picture))
    seen = [here.back(here.inverted(picture, words, name, guidance), words, guidance) for name in names]
    cells = [Cell(f"{label}: {decibels(one, best)}", one) for label, one in zip(labels, seen, strict=True)]
    cells += [Cell(f"what it loses, x {FACTOR}", amplify(one, best, FACTOR)) for one in seen]
    return cells


def fixed_point() -> list[Cell]:
    return _two_ways(("ddim", "AIDI"), ("DDIM, 10 steps", "AIDI, 10 steps"), 10, 1.0)


def exact() -> list[Cell]:
    return _two_ways(("ddim", "EDICT"), ("DDIM", "EDICT"), 20, 3.0)


def stochastic() -> list[Cell]:
    """Levels that were noised one by one, the picture that their noise maps give back, and two edits along them."""
    here, edit = bench(steps=25), example(DAY_TO_NIGHT)
    picture = drawn(edit.source)
    trajectory = here.inverted(picture, edit.source_caption, "edit-friendly DDPM", 3.5)
    back = here.back(trajectory, edit.source_caption, 3.5)
    soft, strong = (
        here.edited(trajectory, edit, method="edit-friendly DDPM", guidance=7.5, strength=s) for s in (0.5, 0.8)
    )
    return [
        Cell("the image", to_pixels(picture)),
        Cell("noised, one level", here.noisy(trajectory, 12)),
        Cell("noised, the next", here.noisy(trajectory, 11)),
        Cell(f"back: {decibels(back, here.shown(trajectory.xs[-1]))}", back),
        Cell("night, half the steps", soft),
        Cell("night, 80 % of them", strong),
    ]


def rf_inversion() -> list[Cell]:
    """Noises of the two inversions, and edits along them, on the toybox's rectified flow."""
    here, edit = bench("toybox-flow", 28), example("fur", 1)
    picture = drawn(edit.source)
    plain = here.inverted(picture, edit.source_caption)
    drawn_to = here.inverted(picture, "", "RF-Inversion")
    edited = here.edited(drawn_to, edit, method="RF-Inversion", guidance=3.0)
    return [
        Cell("plain inversion: its noise", here.noisy(plain, 0)),
        Cell("RF-Inversion: its noise", here.noisy(drawn_to, 0)),
        Cell("the image", to_pixels(picture)),
        Cell(f"edited: {edit.name}", edited),
    ]


def null_text() -> list[Cell]:
    """Guided sampling with the empty prompt, with the optimised embeddings, and their losses."""
    edit = example(DAY_TO_NIGHT)
    (here, trajectory, source), words = begun(edit, steps=25), edit.source_caption
    found = run_null_text(here.studio, trajectory, [words], guidance=7.5)
    plain = here.back(trajectory, words, 7.5)
    walk = replay(trajectory, with_null_text(here.studio.denoiser, found), here.studio.cond(words, 7.5))
    held = here.shown(walk.xs[-1])
    loss = [("before", found.first, RED), ("after", found.last, BLUE)]
    return [
        Cell("the image", source),
        Cell(f"guidance 7.5: {decibels(plain, source)}", plain),
        Cell(f"with null-text: {decibels(held, source)}", held),
        Cell("loss over the steps", curves(loss)),
    ]


TABLE = {
    "InversionEncode": (encode, 3),
    "InversionDDIMInvert": (ddim, 3),
    "InversionFixedPointInvert": (fixed_point, 2),
    "InversionExactInvert": (exact, 2),
    "InversionStochasticInvert": (stochastic, 3),
    "InversionRFInvert": (rf_inversion, 2),
    "InversionNullTextOptimize": (null_text, 2),
}

if __name__ == "__main__":
    torch.manual_seed(0)
    main(TABLE, (__doc__ or "").splitlines()[0])
