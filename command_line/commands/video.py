"""`latent-inversion video`: a clip and a new description of it, frame after frame through a model of pictures."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from ...inversion_core.applications.video import made
from ...inversion_core.backends.diffusers.studio import Studio
from ...inversion_core.inversions import INVERSIONS, invert
from ...inversion_core.loops.chunked import Chunked, chunks_of
from ...inversion_core.loops.clip import Window, edit_clip, windows
from ...inversion_core.loops.edit import Edit, Target
from ...inversion_core.quality.metrics import psnr
from ...inversion_core.shapes import Latent
from ...inversion_core.trajectory import Provenance, Trajectory
from ...pictures.clips import Footage, check_clip, read_clip, write_clip, write_frames
from ...pictures.files import Pixels, shrunk, to_pixels, to_tensor
from ..control import Control, techniques
from ..models import studio_of
from ..options import INVERSION_NAMES
from ..progress import bar
from ..verdict import note_equal, of_clip, verdicts


def video_command(options: argparse.Namespace) -> None:
    """Write the edited clip and its frames; says how well the source's own branch kept the clip."""
    plan_of(1, options)
    note_equal(options.source, options.target)
    out = options.out or named_after(options.clip)
    check_clip(out, options)
    footage = read_clip(options.clip)
    studio = studio_of(options)
    frames = [shrunk(frame, options.resize) if options.resize else frame for frame in footage.frames]
    trajectory = inverted(studio, frames, options)
    control = control_of(options)
    own = techniques(studio, trajectory.sigmas, options.source, options.target, control)
    guidance = studio.guidance if options.guidance is None else options.guidance
    source, target = (studio.cond(text, guidance, options.negative) for text in (options.source, options.target))
    plan, make = plan_of(len(frames), options), made(options.way, lambda _: own, together=options.together)
    with bar(shown=not options.quiet) as on_step:
        edit = Edit(trajectory, studio.denoiser, source, [Target(target)])
        edited = edit_clip(edit, plan, make, on_step=on_step)
    pixels = decoded(studio, edited.target, frames)
    write_clip(out, Footage(pixels, footage.durations))
    back = decoded(studio, edited.source[-1], frames)
    kept = [float(psnr(to_tensor(a), to_tensor(b))) for a, b in zip(back, frames, strict=True)]
    print(f"edited          {out} ({len(frames)} frames, {len(plan)} windows)")
    if out.suffix:
        write_frames(out.with_suffix(".frames"), pixels)
        print(f"frames          {out.with_suffix('.frames')}")
    print(f"verdict         {of_clip(verdicts(frames, pixels, back))}")
    print(f"source branch   {sum(kept) / len(kept):.1f} dB (how well the method kept the clip)")


def plan_of(frames: int, options: argparse.Namespace) -> list[Window]:
    """The clip's windows. Raises ValueError as `windows`."""
    return windows(frames, spacing=options.spacing, most=options.window)


def inverted(studio: Studio, frames: Sequence[Pixels], options: argparse.Namespace) -> Trajectory:
    """The trajectory of all frames at guidance 1, `together` of them at a time."""
    x0 = torch.cat([studio.encode_picture(to_tensor(frame, studio.multiple)).cpu() for frame in frames])
    chunked = Chunked(studio.denoiser, chunks_of((), len(frames), options.together))
    provenance = Provenance(studio.denoiser.identity, options.inversion, prompt=options.source)
    with bar(shown=not options.quiet) as on_step:
        return invert(
            INVERSIONS[INVERSION_NAMES[options.inversion]],
            chunked,
            x0,
            studio.grid(options.steps or studio.steps, x0),
            studio.cond(options.source),
            provenance=provenance,
            on_step=on_step,
        )


def control_of(options: argparse.Namespace) -> Control:
    """Prompt-to-Prompt and local blend as they were asked for."""
    return Control(
        cross=options.cross, self_attention=options.self_attention, alignment=options.align, words=options.words
    )


def decoded(studio: Studio, x0: Latent, frames: Sequence[Pixels]) -> list[Pixels]:
    """The frames of a latent clip, one after another, in the size of `frames`."""
    size = (frames[0].shape[0], frames[0].shape[1])
    return [to_pixels(studio.decode(one), size) for one in x0.split(1)]


def named_after(clip: Path) -> Path:
    """The edited clip's name, in the folder where the command runs."""
    return Path(f"{clip.name}_edited") if clip.is_dir() else Path(f"{clip.stem}.edited{clip.suffix}")
