"""Edits of moving scenes against the true clip: how right, how near, and how steady along the true motion.

    python benchmarks/video.py --clips 60

Every frame of a clip of the toybox is drawn, and so is every frame of its true edit. Our clip edit (TokenFlow over direct
inversion, with local blend) is held against plain DDIM inversion, image-to-image and our edit of still pictures, each
frame by frame. Temporal error is the root mean square, in 1/255, of how the difference from the truth changes from a frame
to the next along the true motion, where both show the point. The network runs in bfloat16. Writes scores.json, table.md
and sheets of the best, median and worst clips.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from truth.frame import Record, command, in_workers, means, table, write_report
from truth.score import figures, gains

from latent_inversion.api.control import techniques
from latent_inversion.api.models import load_toybox
from latent_inversion.command_line.cases import World
from latent_inversion.command_line.evaluation import CROSS, control_for
from latent_inversion.inversion_core.applications.video import made
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.clip import edit_clip, windows
from latent_inversion.inversion_core.loops.edit import Edit as Along
from latent_inversion.inversion_core.loops.edit import Target
from latent_inversion.inversion_core.loops.integrate import integrate, replay
from latent_inversion.inversion_core.shapes import Picture
from latent_inversion.inversion_core.solvers import euler
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.pictures.files import to_pixels, write_picture
from latent_inversion.pictures.sheet import Cell, sheet
from latent_inversion.toybox.hosts.studios import TOYBOX_GUIDANCE
from latent_inversion.toybox.loaders import load_judge
from latent_inversion.toybox.world import (
    Correspondence,
    Edit,
    held_out_edits,
    render,
    true_correspondence,
    video_scenes,
)

FRAMES, STEPS, GUIDANCE = 6, 10, TOYBOX_GUIDANCE
LEVEL = 0.8
"""The share of the steps at which image-to-image comes nearest to the truth inside the region, on clips of other seeds."""

OURS = "ours"


@dataclass(frozen=True)
class Clip:
    """An edit of a moving scene: its frames, their true edits, and the source's trajectory."""

    edit: Edit
    frames: list[Edit]
    pictures: Picture
    truths: Picture
    motions: list[Correspondence]
    trajectory: Trajectory


def drawn(world: World, edit: Edit) -> Clip:
    """The clip of an edit, inverted at guidance 1."""
    pairs = zip(video_scenes(edit.source, FRAMES), video_scenes(edit.target, FRAMES), strict=True)
    frames = [Edit(edit.name, source, target) for source, target in pairs]
    pictures, truths = (render([getattr(frame, side) for frame in frames]) for side in ("source", "target"))
    x0 = world.studio.encode_picture(pictures)
    cond = world.studio.cond(edit.source_caption)
    trajectory = invert(INVERSIONS["ddim"], world.studio.denoiser, x0, world.studio.grid(STEPS, x0), cond)
    motions = [true_correspondence(before.target, after.target) for before, after in pairwise(frames)]
    return Clip(edit, frames, pictures, truths, motions, trajectory)


def ours(world: World, clip: Clip, *, way: str = "token flow", share: float = 0.0) -> Picture:
    """Our edit of the clip; with the way "each frame" and `share` of the steps under Prompt-to-Prompt our edit of still pictures."""
    studio, edit, trajectory = world.studio, clip.edit, clip.trajectory
    control = replace(control_for(edit), cross=share, self_attention=share)
    captions = (edit.source_caption, edit.target_caption)
    own = techniques(studio, trajectory.sigmas, *captions, control)
    source, target = (studio.cond(text, GUIDANCE) for text in captions)
    make = made(way, lambda _: own)
    edited = Along(trajectory, studio.denoiser, source, [Target(target)])
    return studio.decode(edit_clip(edited, windows(FRAMES), make).target)


def ddim(world: World, clip: Clip) -> Picture:
    """Inverted at guidance 1 under the source's words, sampled under the target's."""
    walk = replay(clip.trajectory, world.studio.denoiser, world.studio.cond(clip.edit.target_caption, GUIDANCE))
    return world.studio.decode(walk.xs[-1])


def image_to_image(world: World, clip: Clip, *, level: float, same: bool) -> Picture:
    """Noise added up to a share of the steps, the `same` to every frame or fresh, and sampled under the target's words (arXiv:2108.01073)."""
    studio, trajectory = world.studio, clip.trajectory
    x0, start = trajectory.xs[-1], round((1 - level) * STEPS)
    shape = (1, *x0.shape[1:]) if same else x0.shape
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).expand_as(x0)
    x = trajectory.path.add_noise(x0, noise, trajectory.sigmas[start])
    cond = studio.cond(clip.edit.target_caption, GUIDANCE)
    return studio.decode(integrate(euler, studio.denoiser, x, trajectory.sigmas[start:], cond).xs[-1])


METHODS: dict[str, Callable[[World, Clip], Picture]] = {
    OURS: ours,
    "ours, each frame by itself": partial(ours, way="each frame", share=CROSS),
    "plain DDIM": ddim,
    "image-to-image, same noise": partial(image_to_image, level=LEVEL, same=True),
    "image-to-image, fresh noise": partial(image_to_image, level=LEVEL, same=False),
}


FIGURES = ("right", "inside", "outside", "ssim_inside", "ssim_outside")
HEADS = {
    "edit right": "%",
    "inside, dB": ".2f",
    "outside, dB": ".2f",
    "SSIM inside": ".3f",
    "SSIM outside": ".3f",
    "temporal error": ".1f",
    "seconds a clip": ".1f",
}


def temporal_error(pictures: Picture, clip: Clip) -> float:
    """How unsteady the distance to the truth is along the true motion, root mean square in 1/255."""
    errors = pictures.clamp(0, 1) - clip.truths
    changes = []
    for before, motion in enumerate(clip.motions):
        moved = grid_sample(errors[before + 1 :][:1], motion.position[None], padding_mode="border", align_corners=False)
        changes.append((moved - errors[before : before + 1])[0][:, motion.visible].square().mean())
    return 255 * float(torch.stack(changes).mean().sqrt())


def measure(number: int, edit: Edit) -> tuple[list[Record], dict[str, Tensor]]:
    """A clip by every method: the means of the figures over the frames and the temporal error, and the frames."""
    torch.set_num_threads(1)
    world = World(load_toybox(dtype=torch.bfloat16), load_judge())
    clip, found, shown = drawn(world, edit), [], {}
    for name, method in METHODS.items():
        began = time.perf_counter()
        shown[name] = method(world, clip).clamp(0, 1)
        seconds = time.perf_counter() - began
        values = means(figures(world.judge, clip.frames, shown[name], clip.truths, FIGURES), FIGURES)
        facts = {"method": name, "clip": number, "name": edit.name}
        found.append(facts | values | {"temporal": temporal_error(shown[name], clip), "seconds": seconds})
    return found, {"source": clip.pictures, **shown, "truth": clip.truths}


def mean_table(found: Sequence[Record]) -> str:
    """The means as Markdown."""
    columns = (*FIGURES, "temporal", "seconds")
    rows = ((name, means((m for m in found if m["method"] == name), columns)) for name in METHODS)
    return table(["method"], HEADS, (([name], row.values()) for name, row in rows))


def verdict(found: Sequence[Record]) -> str:
    """Against each other method: by how much ours is nearer and steadier, and on how many clips."""
    rows, lines = {(m["method"], m["clip"]): m for m in found}, []
    for method in list(METHODS)[1:]:
        parts = []
        for column, sign in (("inside", 1), ("outside", 1), ("temporal", -1)):
            pairs = [(rows[OURS, m["clip"]], m) for m in found if m["method"] == method]
            known = [sign * gain for gain in gains(pairs, column)]
            if known:
                better = sum(gain > 0 for gain in known)
                parts.append(f"{column} better by {fmean(known):.2f} ({better} of {len(known)} clips)")
        lines.append(f"{OURS} against {method}: {', '.join(parts)}")
    return "\n".join(lines)


def sheets(out: Path, found: Sequence[Record], frames: Sequence[dict[str, Tensor]]) -> None:
    """Write a page for each of the best, median and worst clips, by the PSNR of ours inside: a method a row, the frames side by side."""
    order = sorted((m for m in found if m["method"] == OURS), key=lambda m: -m["inside"])
    for title, chosen in (("best", order[0]), ("median", order[len(order) // 2]), ("worst", order[-1])):
        by_method = {m["method"]: m for m in found if m["clip"] == chosen["clip"]}
        cells = []
        for name, pictures in frames[chosen["clip"]].items():
            m = by_method.get(name)
            note = f"inside {m['inside']:.1f}, outside {m['outside']:.1f}, temporal {m['temporal']:.1f}" if m else ""
            cells += [Cell(name, to_pixels(pictures[i : i + 1]), note if i == 0 else "") for i in range(FRAMES)]
        write_picture(out / f"{title}.png", sheet(f"{title}: {chosen['name']}", [], cells, columns=FRAMES))


def main() -> None:
    """Measure, print the table, and write it with the scores and the sheets."""
    chosen = command(__doc__ or "", out="out/video", clips=60).parse_args()
    found, frames = [], []
    for done, shown in in_workers(measure, chosen.workers, range(chosen.clips), held_out_edits(chosen.clips)):
        found += done
        frames.append(shown)
        print(f"{len(frames)} of {chosen.clips} clips", flush=True)
        written(chosen.out, found)
    print(written(chosen.out, found))
    sheets(chosen.out, found, frames)


def written(out: Path, found: Sequence[Record]) -> str:
    """The table of what there is so far; it and the scores are written to files."""
    settings = {"frames": FRAMES, "steps": STEPS, "guidance": GUIDANCE, "level": LEVEL}
    write_report(out / "scores.json", settings, scores=found)
    text = f"{mean_table(found)}\n\n{verdict(found)}\n"
    (out / "table.md").write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    main()
