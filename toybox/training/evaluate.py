"""Measures the toybox's models on held-out scenes: python -m toybox.evaluate [--model unet|flow] [--scenes 48]."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..judge import edit_right, shows
from ..latents import decode, encode
from ..loaders import DiffusersModels, FlowModels, load_diffusers, load_flow, load_judge
from ..world.captions import caption
from ..world.draw import render
from ..world.edits import KINDS, held_out_edits
from ..world.scene import ATTRIBUTES, held_out_scenes
from . import flow_sampling, sampling
from .common import psnr, write_sheet

Figures = dict[str, float]
Models = DiffusersModels | FlowModels


def means_of(models: Models) -> Any:
    """Return the module that samples and inverts with a family's models."""
    return flow_sampling if isinstance(models, FlowModels) else sampling


def autoencoder_figures(models: Models, count: int) -> Figures:
    """PSNR in dB of held-out pictures through the autoencoder."""
    images = render(held_out_scenes(count))
    quality = psnr(decode(models.vae, encode(models.vae, images)), images)
    return {"autoencoder PSNR": quality.mean().item(), "autoencoder PSNR, worst": quality.min().item()}


@torch.no_grad()
def text_gain(models: Models, count: int) -> Figures:
    """Mean squared error of the predicted clean latents, per noise level, with right, shuffled and empty captions."""
    scenes, means, figures = held_out_scenes(count), means_of(models), {}
    x0, right = encode(models.vae, render(scenes)), [caption(scene) for scene in scenes]
    captions = {"right": right, "shuffled": right[-7:] + right[:-7], "empty": [""] * count}
    prompts = {name: means.encode_prompts(models, texts) for name, texts in captions.items()}
    for level in means.LEVELS:
        noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(level))
        x = means.noised(x0, noise, level)
        for name, words in prompts.items():
            error = (means.predict_x0(models, x, level, words) - x0).square().mean().item()
            figures[f"x0 error at sigma {means.sigma_of(level):.2f}, {name} captions"] = error
    return figures


def generation_figures(models: Models, count: int, sheet: Path | None = None) -> Figures:
    """Share of visible attributes that the judge reads rightly off pictures drawn from noise in 50 steps."""
    scenes, judge, means, figures = held_out_scenes(count), load_judge(), means_of(models), {}
    prompts = means.encode_prompts(models, [caption(scene) for scene in scenes])
    noise = torch.randn((count, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    rows = [render(scenes[:8])]
    for guidance in (3.0, 7.5):
        images = decode(models.vae, means.sample(models, noise, prompts, guidance=guidance))
        rows.append(images[:8])
        shown = shows(judge, images, scenes)
        figures[f"attributes right at guidance {guidance:g}"] = _share(value for one in shown for value in one.values())
        for name in ATTRIBUTES:
            figures[f"  {name} at {guidance:g}"] = _share(one[name] for one in shown if name in one)
    if sheet:
        write_sheet(sheet, rows)
    return figures


def inversion_figures(models: Models, count: int, sheet: Path | None = None) -> Figures:
    """PSNR in dB of plain inversion and replay against the autoencoded picture, at guidance 1 and 7.5."""
    scenes, means = held_out_scenes(count), means_of(models)
    x0 = encode(models.vae, render(scenes))
    prompts = means.encode_prompts(models, [caption(scene) for scene in scenes])
    noise, truth = means.invert(models, x0, prompts), decode(models.vae, x0)
    rows, figures = [truth[:8]], {"std of the inverted noise": noise.std().item()}
    for guidance in (1.0, 7.5):
        images = decode(models.vae, means.sample(models, noise, prompts, guidance=guidance))
        rows.append(images[:8])
        figures[f"{means.METHOD} inversion + replay at guidance {guidance:g}, PSNR"] = psnr(images, truth).mean().item()
    if sheet:
        write_sheet(sheet, rows)
    return figures


def edit_figures(models: Models, count: int, sheet: Path | None = None, *, guidance: float = 3.0) -> Figures:
    """Plain edits (inverted with the source caption, drawn with the target's): the judge's verdict per kind."""
    edits, judge, means, figures = held_out_edits(count), load_judge(), means_of(models), {}
    source, target = render([edit.source for edit in edits]), render([edit.target for edit in edits])
    before = means.encode_prompts(models, [edit.source_caption for edit in edits])
    after = means.encode_prompts(models, [edit.target_caption for edit in edits])
    noise = means.invert(models, encode(models.vae, source), before)
    images = decode(models.vae, means.sample(models, noise, after, guidance=guidance))
    verdicts = edit_right(judge, images, edits)
    figures[f"plain {means.METHOD} edits right at guidance {guidance:g}"] = _share(
        verdict.right for verdict in verdicts
    )
    figures["  other attributes kept"] = _share(value for verdict in verdicts for value in verdict.kept.values())
    figures["  PSNR against the true edit"] = psnr(images, target).mean().item()
    figures["  PSNR of the unedited picture against it"] = psnr(source, target).mean().item()
    for index, kind in enumerate(KINDS):
        figures[f"  {kind} edits right"] = _share(verdict.right for verdict in verdicts[index :: len(KINDS)])
    if sheet:
        write_sheet(sheet, [source[:16], images[:16], target[:16]])
    return figures


def judge_figures(models: Models, count: int) -> Figures:
    """Share of right readings of each attribute on held-out renders and autoencoded renders; the worst attribute."""
    scenes, judge = held_out_scenes(count), load_judge()
    images, figures = render(scenes), {}
    seen = {"renders": images, "autoencoded renders": decode(models.vae, encode(models.vae, images))}
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
    models, count = load_flow() if options.model == "flow" else load_diffusers(), options.scenes
    parts: list[Callable[[], Figures]] = [
        lambda: autoencoder_figures(models, count),
        lambda: judge_figures(models, count * 4),
        lambda: text_gain(models, count),
        lambda: generation_figures(models, count, options.folder / "generation.png"),
        lambda: inversion_figures(models, count, options.folder / "inversion.png"),
        lambda: edit_figures(models, count, options.folder / "edits.png"),
    ]
    for part in parts:
        for name, value in part().items():
            print(f"{name:<62} {value:8.3f}", flush=True)


if __name__ == "__main__":
    main()
