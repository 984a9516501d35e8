"""The commands on a user's own picture."""

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...inversion_core.backends.diffusers.studio import Studio
from ...inversion_core.files import storage
from ...inversion_core.loops.integrate import replay
from ...inversion_core.methods import USUAL
from ...inversion_core.quality.metrics import psnr
from ...inversion_core.techniques.prompt_to_prompt import usual_shares
from ...pictures.files import Pixels, mask_to_tensor, pasted, read_mask, thumbnail, to_tensor, write_picture
from ..control import Control, words_in
from ..editing import run_edit, run_null_text
from ..errors import Mistake
from ..memory_options import memory_of
from ..outputs import check_file, check_picture, named_after
from ..progress import bar
from ..reading import tell
from ..region import found_region
from ..verdict import note_equal, sentence, verdicts
from ..workspace import Job, new_trajectory, open_job, trajectory_of
from .applications import style_command, try_on_command
from .compare import compare_command
from .demo import run_demo
from .look import look_command
from .report import report_picture
from .video import video_command

FEW_STEPS = USUAL["few-step rf"]


def invert_command(options: argparse.Namespace) -> None:
    out = options.out or named_after(options.picture, ".safetensors")
    check_file(out, options, ".safetensors")
    check_picture(out.with_suffix(".reconstruction.png"), options)
    job = open_job(options)
    trajectory = new_trajectory(job, options, options.prompt)
    out.parent.mkdir(parents=True, exist_ok=True)
    storage.save(trajectory, out, thumbnail=thumbnail(job.pixels))
    with bar(shown=not options.quiet) as on_step:
        walk = replay(trajectory, job.studio.denoiser, job.studio.cond(options.prompt), on_step=on_step)
    back, ceiling = job.picture(walk.xs[-1]), job.picture(job.x0)
    write_picture(out.with_suffix(".reconstruction.png"), back)
    print(f"trajectory      {out} ({trajectory.steps} steps)")
    print(f"reconstruction  {out.with_suffix('.reconstruction.png')}: {_psnr(back, job.pixels)}")
    print(f"ceiling         {_psnr(ceiling, job.pixels)} (the autoencoder alone)")


def edit_command(options: argparse.Namespace) -> None:
    _check(options)
    out, memory = options.out or named_after(options.picture, ".edited.png"), memory_of(options)
    check_picture(out, options)
    job = open_job(options)
    mask = read_mask(options.mask, job.size) if options.mask else None
    control = _control(job, options, mask)
    if options.source is not None:
        words_in(job.studio, options.source, options.target, control.words)
    trajectory = trajectory_of(job, options, options.source)
    source, null_text, guidance = trajectory.provenance.prompt, None, job.guidance(options.guidance)
    note_equal(source, options.target)
    if options.find_region:
        control = replace(control, mask=found_region(job.studio, trajectory, source, options.target))
    if options.method == "null-text":
        with bar(shown=not options.quiet) as on_step:
            null_text = run_null_text(job.studio, trajectory, [source], guidance=guidance, on_step=on_step)
    with bar(shown=not options.quiet) as on_step:
        edited = run_edit(
            job.studio,
            trajectory,
            source,
            options.target,
            method=options.method,
            guidance=guidance,
            negative=options.negative or "",
            control=control,
            null_text=null_text,
            strength=FEW_STEPS.strength if options.few_steps else 1.0,
            memory=memory,
            on_step=on_step,
        )
    pixels, back = job.picture(edited.target), job.picture(edited.source[-1])
    pixels = pixels if mask is None else pasted(job.pixels, pixels, mask)
    write_picture(out, pixels)
    (verdict,) = verdicts([job.pixels], [pixels], [back], mask)
    print(f"edited          {out}")
    print(f"verdict         {sentence(verdict)}")
    print(f"source branch   {_psnr(back, job.pixels)} (how well the method kept the image)")


def report_command(options: argparse.Namespace) -> None:
    out = options.out or named_after(options.picture, ".report.png")
    check_picture(out, options)
    job = open_job(options)
    trajectory = trajectory_of(job, options, options.prompt)
    sheet, lines = report_picture(
        job.studio, trajectory, job.pixels, guidance=job.guidance(options.guidance), shown=not options.quiet
    )
    write_picture(out, sheet)
    print("\n".join([*lines, f"picture: {out}"]))


def demo_command(options: argparse.Namespace) -> None:
    run_demo(options.out, steps=options.steps)


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "demo": demo_command,
    "invert": invert_command,
    "edit": edit_command,
    "style": style_command,
    "try-on": try_on_command,
    "video": video_command,
    "look": look_command,
    "report": report_command,
    "compare": compare_command,
}


def _control(job: Job, options: argparse.Namespace, mask: NDArray[np.float32] | None) -> Control:
    """How the edit keeps the picture, as the options say."""
    cross, own = usual_shares(job.studio.denoiser.path)
    return Control(
        cross=_or_usual(options, options.cross, cross),
        self_attention=_or_usual(options, options.self_attention, own),
        alignment=options.align,
        weights=_weights(job.studio, options),
        words=options.words,
        plug_and_play=options.plug_and_play,
        share=options.share,
        kv_edit=options.kv_edit,
        mask=None if mask is None else mask_to_tensor(mask, job.studio.multiple),
    )


def _check(options: argparse.Namespace) -> None:
    """Options that do not go together, found before anything is loaded."""
    if options.weights and not _or_usual(options, options.cross, usual=1.0):
        raise Mistake("--weights acts while --cross lasts, but --cross is 0. Raise --cross.")
    if options.kv_edit and options.mask is None and not options.find_region:
        raise Mistake("--kv-edit redraws a region. Name a mask image with --mask, or add --find-region.")
    if options.find_region and options.mask is not None:
        raise Mistake("--mask names the region and --find-region looks for one. Use only one of the two.")
    if options.few_steps and (options.negative or options.method not in ("direct", "ddim")):
        raise Mistake(
            "--few-steps models take no negative prompt. Edit with --method direct or ddim, without --negative."
        )
    if options.negative is not None and options.method not in ("direct", "ddim"):
        raise Mistake(
            f"--negative works with the methods direct and ddim, but {options.method} sets its own negative prompt. Leave --negative "
            "out, or choose another method."
        )


def _or_usual(options: argparse.Namespace, given: float | None, usual: float) -> float:
    """The share of the steps under Prompt-to-Prompt: what was given, else none beside another way to keep the source."""
    others = options.plug_and_play is not None or options.share is not None
    others = others or options.kv_edit or options.find_region
    return given if given is not None else 0.0 if others else usual


def _weights(studio: Studio, options: argparse.Namespace) -> dict[str, float]:
    weights = dict(options.weights)
    if weights:
        tell(studio.prompt_tokens(options.target), weights)
    return weights


def _psnr(pixels: Pixels, other: Pixels) -> str:
    return f"{float(psnr(to_tensor(pixels), to_tensor(other))):.1f} dB"
