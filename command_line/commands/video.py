"""`latent-inversion video`: a clip and a new description of it, frame after frame through a model of pictures."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from ...inversion_core.applications.video import WAYS, made
from ...inversion_core.backends.diffusers.studio import Studio
from ...inversion_core.loops.chunked import Chunked, chunks_of
from ...inversion_core.loops.clip import SPACING, TOGETHER, WINDOW, Window, edit_clip, windows
from ...inversion_core.loops.edit import Edit, Target
from ...inversion_core.quality.metrics import psnr
from ...inversion_core.shapes import Latent
from ...inversion_core.trajectory import Trajectory
from ...pictures.clips import DURATION, FRAMES, Footage, read_clip, write_clip, write_frames
from ...pictures.files import Pixels, shrink, to_pixels, to_tensor
from .. import values
from ..control import Control, techniques
from ..models import studio_of
from ..options import add_blend_words, add_guidance, add_inversion, add_model, add_output, add_prompt_to_prompt
from ..outputs import check_file, check_folder
from ..progress import bar
from ..verdict import note_equal, of_clip, verdicts
from ..workspace import new_trajectory

SHARE = 0.0
"""Of the steps under Prompt-to-Prompt: the frames' own attention holds their shapes. On eight other clips of the toybox 0.2
took 1.2 dB from the PSNR inside the region that changes, and gave 0.3 dB outside."""

DESCRIPTION = """\
Edit a clip by changing its prompt, with an image model. All frames are inverted; key frames are edited together, and
the changes in them follow the motion into every frame. Long clips are edited in windows, so that memory does not grow
with their length.

ways to hold the frames together:
"""
EXAMPLES = """\
examples:
  latent-inversion video walk.gif --model DIR --source "a man walks in the park" \\
      --target "a man walks in the park at night"
  latent-inversion video frames/ --model DIR --source "a red car" --target "a blue car" --words car -o blue.mp4
"""


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    ways = "".join(f"  {name:<24} {way.about}\n" for name, way in WAYS.items())
    command.description, command.epilog = DESCRIPTION + ways, EXAMPLES
    command.add_argument(
        "clip", type=Path, metavar="CLIP", help="a folder of images, an animated GIF, WebP or PNG, or a video file"
    )
    add_model(command)
    _add_change(command.add_argument_group("the change"))
    _add_frames(command.add_argument_group("the frames"))
    add_inversion(command)
    add_output(
        command,
        "the edited clip: a file, or a folder for frames alone (default: CLIP's name with edited). The frames of a file lie in "
        "a folder beside it",
        "CLIP",
    )


def _add_change(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--source", metavar="TEXT", required=True, help="what the clip shows")
    group.add_argument("--target", metavar="TEXT", required=True, help="what the clip should show")
    add_guidance(group)
    group.add_argument("--negative", metavar="TEXT", default="", help="what guidance leads away from")
    usual = "Prompt-to-Prompt; default: %(default)s"
    add_prompt_to_prompt(group, usual, usual, SHARE)
    add_blend_words(group)


def _add_frames(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--way", choices=tuple(WAYS), default="token flow", help="see above (default: %(default)s)")
    for name, usual, what in (
        ("spacing", SPACING, "frames from one key frame to the next"),
        ("window", WINDOW, "frames edited in one window"),
        ("together", TOGETHER, "frames per run of the network, beside the key frames"),
    ):
        group.add_argument(f"--{name}", **values.STEPS, default=usual, help=f"{what} (default: %(default)s)")


def run(options: argparse.Namespace) -> None:
    """Write the edited clip and its frames; says how well the source's own branch kept the clip."""
    windows_of(1, options)
    note_equal(options.source, options.target)
    out = options.out or named_after(options.clip)
    check_clip(out, options)
    footage = read_clip(options.clip)
    studio = studio_of(options)
    frames = [shrink(frame, options.resize) if options.resize else frame for frame in footage.frames]
    trajectory = invert_clip(studio, frames, options)
    control = Control(
        cross=options.cross, self_attention=options.self_attention, alignment=options.align, words=options.words
    )
    attention = techniques(studio, trajectory.sigmas, options.source, options.target, control)
    guidance = studio.guidance if options.guidance is None else options.guidance
    source, target = (studio.cond(text, guidance, options.negative) for text in (options.source, options.target))
    plan, make = windows_of(len(frames), options), made(options.way, lambda _: attention, together=options.together)
    with bar(shown=not options.quiet) as on_step:
        edit = Edit(trajectory, studio.denoiser, source, [Target(target)])
        edited = edit_clip(edit, plan, make, on_step=on_step)
    pixels = decode_frames(studio, edited.target, frames)
    write_clip(out, Footage(pixels, footage.durations))
    back = decode_frames(studio, edited.source[-1], frames)
    quality = [float(psnr(to_tensor(a), to_tensor(b))) for a, b in zip(back, frames, strict=True)]
    print(f"edited          {out} ({len(frames)} frames, {len(plan)} windows)")
    if out.suffix:
        write_frames(out.with_suffix(".frames"), pixels)
        print(f"frames          {out.with_suffix('.frames')}")
    print(f"verdict         {of_clip(verdicts(frames, pixels, back))}")
    print(
        f"reconstruction  {sum(quality) / len(quality):.1f} dB (how near the model comes to the clip without the edit)"
    )


def check_clip(path: Path, options: argparse.Namespace) -> None:
    """Raises UserError if no clip can be written there, or it is one that the command reads."""
    if not path.suffix or os.path.isdir(path):
        return check_folder(path, options, FRAMES)
    check_file(path, options)
    check_folder(path.with_suffix(".frames"), options, FRAMES)
    with TemporaryDirectory() as folder:
        black = Footage([np.zeros((16, 16, 3), np.uint8)], [DURATION])
        write_clip(Path(folder, f"{path.stem[:40]}{path.suffix}"), black)


def windows_of(frames: int, options: argparse.Namespace) -> list[Window]:
    """The clip's windows. Raises ValueError as `windows`."""
    return windows(frames, spacing=options.spacing, most=options.window)


def invert_clip(studio: Studio, frames: Sequence[Pixels], options: argparse.Namespace) -> Trajectory:
    """The trajectory of all frames at guidance 1, `together` of them at a time."""
    x0 = torch.cat([studio.encode_picture(to_tensor(frame, studio.multiple)).cpu() for frame in frames])
    chunked = Chunked(studio.denoiser, chunks_of((), len(frames), options.together))
    return new_trajectory(studio, x0, options.source, options, denoiser=chunked)


def decode_frames(studio: Studio, x0: Latent, frames: Sequence[Pixels]) -> list[Pixels]:
    """The frames of a latent clip, one after another, in the size of `frames`."""
    size = (frames[0].shape[0], frames[0].shape[1])
    return [to_pixels(studio.decode(frame), size) for frame in x0.split(1)]


def named_after(clip: Path) -> Path:
    """The edited clip's name, in the folder where the command runs."""
    return Path(f"{clip.name}_edited") if clip.is_dir() else Path(f"{clip.stem}.edited{clip.suffix}")
