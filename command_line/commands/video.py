"""`latent-inversion video`: a clip and a new description of it, frame after frame through a model of pictures."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from ...api.control import Control, techniques, words_in
from ...api.model import Model
from ...api.progress import bar
from ...inversion_core.applications.video import made
from ...inversion_core.backends.diffusers.studio import Studio
from ...inversion_core.loops.chunked import Chunked, chunks_of
from ...inversion_core.loops.clip import Window, edit_clip, windows
from ...inversion_core.loops.edit import Edit, Target
from ...inversion_core.quality.metrics import psnr
from ...inversion_core.shapes import Latent
from ...inversion_core.trajectory import Trajectory
from ...pictures.clips import DURATION, FRAMES, Footage, read_clip, write_clip, write_frames
from ...pictures.files import Pixels, shrink, to_pixels, to_tensor
from ..notes import note_equal, tell
from ..outputs import check_file, check_folder, free, pasted
from ..verdict import of_clip, verdicts
from ..workspace import inversion_of, model_of


def run(options: argparse.Namespace) -> None:
    """Write the edited clip and its frames; says how well the source's own branch kept the clip."""
    windows_of(1, options)
    note_equal(options.source, options.target)
    out = options.out or named_after(options.clip)
    check_clip(out, options)
    footage = read_clip(options.clip)
    model = model_of(options)
    studio = model.studio
    frames = [shrink(frame, options.resize) if options.resize else frame for frame in footage.frames]
    trajectory = invert_clip(model, frames, options)
    control = Control(
        cross=options.cross, self_attention=options.self_attention, alignment=options.align, words=options.words
    )
    for text, words in zip(
        (options.source, options.target), words_in(studio, options.source, options.target, options.words), strict=True
    ):
        tell(studio.prompt_tokens(text), words)
    attention = techniques(studio, trajectory.sigmas, options.source, options.target, control)
    guidance = studio.guidance if options.guidance is None else options.guidance
    source, target = (studio.cond(text, guidance, options.negative) for text in (options.source, options.target))
    plan, make = windows_of(len(frames), options), made(options.way, lambda _: attention, together=options.together)
    with bar(shown=not options.quiet) as on_step:
        edit = Edit(trajectory, studio.denoiser, source, [Target(target)])
        edited = edit_clip(edit, plan, make, on_step=on_step)
    pixels = decode_frames(studio, edited.target, frames)
    back = decode_frames(studio, edited.source[-1], frames)
    quality = [float(psnr(to_tensor(a), to_tensor(b))) for a, b in zip(back, frames, strict=True)]
    print(f"edited          {pasted(out)} ({len(frames)} frames, {len(plan)} windows)")
    write_clip(out, Footage(pixels, footage.durations))
    if out.suffix:
        write_frames(out.with_suffix(".frames"), pixels)
        print(f"frames          {pasted(out.with_suffix('.frames'))}")
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


def invert_clip(model: Model, frames: Sequence[Pixels], options: argparse.Namespace) -> Trajectory:
    """The trajectory of all frames at guidance 1, `together` of them at a time."""
    studio = model.studio
    x0 = torch.cat([studio.encode_picture(to_tensor(frame, studio.multiple)).cpu() for frame in frames])
    chunked = Chunked(studio.denoiser, chunks_of((), len(frames), options.together))
    return model.trajectory_of(x0, options.source, inversion_of(options), options.steps, denoiser=chunked)


def decode_frames(studio: Studio, x0: Latent, frames: Sequence[Pixels]) -> list[Pixels]:
    """The frames of a latent clip, one after another, in the size of `frames`."""
    size = (frames[0].shape[0], frames[0].shape[1])
    return [to_pixels(studio.decode(frame), size) for frame in x0.split(1)]


def named_after(clip: Path) -> Path:
    """The edited clip's name, beside the clip."""
    return free(clip.with_name(f"{clip.name}_edited" if clip.is_dir() else f"{clip.stem}.edited{clip.suffix}"))
