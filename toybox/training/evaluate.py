"""Measures the toybox's models on held-out scenes: python -m latent_inversion.toybox.training.evaluate [--model unet|flow] [--scenes 48]."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ...inversion_core.backends.diffusers.studio import Studio
from ...inversion_core.inversions import INVERSIONS, invert
from ...inversion_core.loops.integrate import integrate, replay
from ...inversion_core.quality.metrics import psnr, whiteness
from ...inversion_core.shapes import Picture
from ...inversion_core.solvers import euler
from ...inversion_core.trajectory import Trajectory
from ...inversion_core.types import Cond
from ..hosts.studios import load_studio
from ..judge import edit_right, shows
from ..loaders import load_judge
from ..world.captions import caption
from ..world.draw import render
from ..world.edits import KINDS, held_out_edits
from ..world.scene import ATTRIBUTES, Scene, held_out_scenes
from .common import print_figures, write_sheet

LEVELS = {"ve": (14.61, 8.35, 3.33, 1.16, 0.34), "rf": (1.0, 0.98, 0.936, 0.9, 0.75, 0.5, 0.25)}
"""The noise levels of the figures by noise path; 0.936 holds as much noise as 14.61."""
METHODS = {"ve": "DDIM", "rf": "Euler"}
"""What a step down a level is called."""
STEPS = 50

Figures = dict[str, float]


def guided(studio: Studio, scenes: Sequence[Scene], guidance: float) -> Cond:
    """Return the scenes' captions under guidance."""
    return Cond(studio.encode_prompts([caption(scene) for scene in scenes]), studio.encode_prompt(""), guidance)


def draw(studio: Studio, cond: Cond, count: int, steps: int = STEPS) -> Picture:
    """Return pictures drawn from the same noise for every model of a family."""
    sigmas = studio.grid(steps)
    noise = torch.randn((count, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    x = noise * float(studio.denoiser.path.input_scale(sigmas[0]))
    return studio.decode(integrate(euler, studio.denoiser, x, sigmas, cond).xs[-1])


def inverted(studio: Studio, scenes: Sequence[Scene]) -> Trajectory:
    """Return the trajectory of the scenes' pictures under their captions, at guidance 1."""
    x0 = studio.encode_picture(render(scenes))
    return invert(INVERSIONS["ddim"], studio.denoiser, x0, studio.grid(STEPS), guided(studio, scenes, 1.0))


def autoencoder_figures(studio: Studio, count: int) -> Figures:
    """PSNR in dB of held-out pictures through the autoencoder."""
    images = render(held_out_scenes(count))
    quality = psnr(studio.decode(studio.encode_picture(images)), images)
    return {"autoencoder PSNR": quality.mean().item(), "autoencoder PSNR, worst": quality.min().item()}


@torch.no_grad()
def errors(studio: Studio, scenes: Sequence[Scene], conds: Mapping[str, Cond], what: str) -> Figures:
    """Mean squared error of the predicted clean latents, per noise level and prompt."""
    figures, path, x0 = {}, studio.denoiser.path, studio.encode_picture(render(scenes))
    for number, level in enumerate(LEVELS[path.name]):
        sigma = torch.tensor(level, dtype=torch.float64)
        x = path.add_noise(x0, torch.randn(x0.shape, generator=torch.Generator().manual_seed(number)), sigma)
        for name, cond in conds.items():
            error = (studio.denoiser(x.float(), sigma, cond) - x0).square().mean().item()
            figures[f"x0 error at sigma {level:.2f}, {name} {what}"] = error
    return figures


def text_gain(studio: Studio, count: int) -> Figures:
    """The errors with right, shuffled and empty captions."""
    scenes = held_out_scenes(count)
    right = [caption(scene) for scene in scenes]
    captions = {"right": right, "shuffled": right[-7:] + right[:-7], "empty": [""] * count}
    conds = {name: Cond(studio.encode_prompts(texts)) for name, texts in captions.items()}
    return errors(studio, scenes, conds, "captions")


def generation_figures(studio: Studio, count: int, sheet: Path | None = None) -> Figures:
    """Share of visible attributes that the judge reads rightly off pictures drawn from noise in 50 steps."""
    scenes, judge, figures = held_out_scenes(count), load_judge(), {}
    rows = [render(scenes[:8])]
    for guidance in (3.0, 7.5):
        images = draw(studio, guided(studio, scenes, guidance), count)
        rows.append(images[:8])
        shown = shows(judge, images, scenes)
        figures[f"attributes right at guidance {guidance:g}"] = _share(value for one in shown for value in one.values())
        for name in ATTRIBUTES:
            figures[f"  {name} at {guidance:g}"] = _share(one[name] for one in shown if name in one)
    write_sheet(sheet, rows)
    return figures


def inversion_figures(studio: Studio, count: int, sheet: Path | None = None) -> Figures:
    """PSNR in dB of plain inversion and replay against the autoencoded picture, at guidance 1 and 7.5."""
    scenes = held_out_scenes(count)
    trajectory = inverted(studio, scenes)
    truth = studio.decode(trajectory.xs[-1])
    rows, figures = [truth[:8]], {"std of the inverted noise": whiteness(trajectory).std}
    for guidance in (1.0, 7.5):
        images = studio.decode(replay(trajectory, studio.denoiser, guided(studio, scenes, guidance)).xs[-1])
        rows.append(images[:8])
        name = f"{METHODS[studio.denoiser.path.name]} inversion + replay at guidance {guidance:g}, PSNR"
        figures[name] = psnr(images, truth).mean().item()
    write_sheet(sheet, rows)
    return figures


def edit_figures(studio: Studio, count: int, sheet: Path | None = None, *, guidance: float = 3.0) -> Figures:
    """Plain edits (inverted with the source caption, drawn with the target's): the judge's verdict per kind."""
    edits, judge, figures = held_out_edits(count), load_judge(), {}
    sources, targets = [edit.source for edit in edits], [edit.target for edit in edits]
    source, target = render(sources), render(targets)
    trajectory = inverted(studio, sources)
    images = studio.decode(replay(trajectory, studio.denoiser, guided(studio, targets, guidance)).xs[-1])
    verdicts = edit_right(judge, images, edits)
    figures[f"plain {METHODS[studio.denoiser.path.name]} edits right at guidance {guidance:g}"] = _share(
        verdict.right for verdict in verdicts
    )
    figures["  other attributes kept"] = _share(value for verdict in verdicts for value in verdict.kept.values())
    figures["  PSNR against the true edit"] = psnr(images, target).mean().item()
    figures["  PSNR of the unedited picture against it"] = psnr(source, target).mean().item()
    for index, kind in enumerate(KINDS):
        figures[f"  {kind} edits right"] = _share(verdict.right for verdict in verdicts[index :: len(KINDS)])
    write_sheet(sheet, [source[:16], images[:16], target[:16]])
    return figures


def judge_figures(studio: Studio, count: int) -> Figures:
    """Share of right readings of each attribute on held-out renders and autoencoded renders; the worst attribute."""
    scenes, judge = held_out_scenes(count), load_judge()
    images, figures = render(scenes), {}
    seen = {"renders": images, "autoencoded renders": studio.decode(studio.encode_picture(images))}
    for what, pictures in seen.items():
        shown = shows(judge, pictures, scenes)
        shares = {name: _share(one[name] for one in shown if name in one) for name in ATTRIBUTES}
        worst = min(shares, key=lambda name: shares[name])
        figures[f"judge on {what}"] = sum(shares.values()) / len(shares)
        figures[f"judge on {what}, worst ({worst})"] = shares[worst]
    return figures


def _share(answers) -> float:
    answers = list(answers)
    return sum(answers) / max(1, len(answers))


def main() -> None:
    """Print the figures and write sample sheets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["unet", "flow"], default="unet")
    parser.add_argument("--scenes", type=int, default=48)
    parser.add_argument("--folder", type=Path, default=Path("out/toybox"), help="sample sheets")
    options = parser.parse_args()
    studio, count = load_studio(options.model), options.scenes
    print_figures(autoencoder_figures(studio, count))
    print_figures(judge_figures(studio, count * 4))
    print_figures(text_gain(studio, count))
    print_figures(generation_figures(studio, count, options.folder / "generation.png"))
    print_figures(inversion_figures(studio, count, options.folder / "inversion.png"))
    print_figures(edit_figures(studio, count, options.folder / "edits.png"))


if __name__ == "__main__":
    main()
