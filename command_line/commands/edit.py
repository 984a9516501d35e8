"""`latent-inversion edit`: a picture changed by changing its prompt, by any method of the table."""

import argparse
from dataclasses import replace

from ...inversion_core.attention.budget import Memory
from ...inversion_core.loops.edit import Edited
from ...inversion_core.methods import EDITORS, EditJob, WrongInversion
from ...inversion_core.techniques.plug_and_play import LAYER
from ...inversion_core.techniques.prompt_to_prompt import CROSS_END, SELF_END, WEIGHTED_CROSS_END
from ...inversion_core.types import require_unconditional
from ...pictures.errors import UserError
from ...pictures.files import Mask, mask_to_tensor, paste_edit, read_mask, write_picture
from .. import values
from ..control import SHARES, Control, techniques, words_in
from ..methods import check_method, prompts_of, settings_of
from ..options import (
    add_blend_words,
    add_guidance,
    add_inversion,
    add_memory,
    add_output,
    add_picture_and_model,
    add_prompt_to_prompt,
    add_trajectory,
    memory_of,
)
from ..outputs import check_picture, named_after
from ..progress import bar
from ..reading import tell
from ..region import find_region
from ..verdict import note_equal, told, verdicts
from ..workspace import Workspace, open_workspace, psnr_text, trajectory_of

DESCRIPTION = """\
Edit an image by changing the prompt. Words that both prompts share keep their places in the image;
new words take effect. --words or --mask keep the edit to a region.

Every method runs with the guidance, the strength and the number of steps that it was published with for this kind of
model, unless set otherwise, and inverts the image in its own way. direct is exact and fast, and a good first choice.

methods:
"""
EXAMPLES = """\
examples:
  put on glasses, and change nothing else (the toybox model):
    latent-inversion edit cat.png --source "a photo of a white cat in a plain red shirt, in the snow at day" \\
        --target "a photo of a white cat wearing blue glasses in a plain red shirt, in the snow at day" --words glasses
  a stronger new word, more freedom for the shape:
    latent-inversion edit room.jpg --model DIR --source "a wooden chair" --target "a glass chair" \\
        --weights glass=2 --cross 0.3 --self 0.3
  only inside a mask (white = may change); outside it every pixel stays as it was:
    latent-inversion edit face.png --model DIR --source "black hair" --target "red hair" --mask hair.png
  invert once, edit often:
    latent-inversion invert room.jpg --model DIR --prompt "a wooden chair" -o room.safetensors
    latent-inversion edit room.jpg --model DIR --trajectory room.safetensors --target "a glass chair"
"""
NONE = "0 with --plug-and-play, --share or --kv-edit, and with methods that have published settings"


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    methods = "".join(f"  {name:<20} {editor.about}\n" for name, editor in EDITORS.items())
    command.description, command.epilog = DESCRIPTION + methods, EXAMPLES
    add_picture_and_model(command)
    _add_change(command.add_argument_group("the change"))
    _add_attention(command.add_argument_group("what stays (Prompt-to-Prompt)"))
    _add_sharing(command.add_argument_group("what stays (features, keys and values of the source)"))
    _add_region(command.add_argument_group("where"))
    add_memory(command.add_argument_group("memory"))
    add_inversion(command)
    add_trajectory(command)
    add_output(command, "the edited image (default: IMAGE's name with .edited.png)")


def _add_change(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--source", metavar="TEXT", help="what the image shows (default: the prompt of --trajectory, or nothing)"
    )
    group.add_argument(
        "--target", metavar="TEXT", required=True, help="what the image should show: the source with some words changed"
    )
    group.add_argument(
        "--method", choices=tuple(EDITORS), default="direct", metavar="METHOD", help="see above (default: %(default)s)"
    )
    add_guidance(group)
    group.add_argument(
        "--strength",
        **values.SHARE,
        help="fraction of the steps, 0..1, that are edited (default: the published value of the method, or else all; 0.8 "
        "with --few-steps)",
    )
    group.add_argument("--seed", **values.SEED, help="for methods that draw noise (default: 0)")
    group.add_argument(
        "--negative",
        metavar="TEXT",
        help="what guidance leads away from (default: nothing said); the source prompt here keeps more of the image but may "
        "miss the change",
    )


def _add_attention(group: argparse._ArgumentGroup) -> None:
    add_prompt_to_prompt(group, "default: 0; 0.4 with --weights", f"default: 0.2; {NONE}")
    group.add_argument(
        "--weights",
        nargs="+",
        **values.WEIGHT,
        default=[],
        help="strengthen (2) or weaken (0.5) words of the target while --cross lasts",
    )


def _add_sharing(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--plug-and-play",
        nargs="?",
        **values.LAYER,
        const=LAYER,
        help="keep layout and shapes by the features and self-attention of the UNet's decoder, from this layer on (default: "
        "%(const)s, as published for Stable Diffusion 1; the toybox has 6 layers, and 3 suits it); the prompts may differ in every "
        "word",
    )
    group.add_argument(
        "--share",
        choices=tuple(SHARES),
        help="masactrl: self-attention attends to the source's keys and values from step 4 of 50 on, in the later layers; kv: keys "
        "and values of the source in the blocks published for the network, else in the later half; values: only values of the "
        "source, in the first steps. Inside --mask, kv and values leave the edit alone",
    )
    group.add_argument(
        "--kv-edit",
        action="store_true",
        help="compute only the region of --mask, while attending to the source's own background",
    )


def _add_region(group: argparse._ArgumentGroup) -> None:
    add_blend_words(group)
    group.add_argument("--mask", **values.FILE, help="edit only where this mask image, of IMAGE's size, is white")
    group.add_argument(
        "--find-region",
        action="store_true",
        help="edit only where the two prompts differ on the image (DiffEdit); for changes of a part of the image, not of light or style",
    )


def run(options: argparse.Namespace) -> None:
    """Write the edited picture; print what came out, and how well the image is kept without the edit."""
    check(options)
    out, memory = options.out or named_after(options.picture, ".edited.png"), memory_of(options)
    check_picture(out, options)
    workspace = open_workspace(options)
    mask = read_mask(options.mask, workspace.size) if options.mask else None
    edited = edit_picture(workspace, options, control_of(workspace, options, mask), memory)
    pixels, back = workspace.picture(edited.target), workspace.picture(edited.source[-1])
    pixels = pixels if mask is None else paste_edit(workspace.pixels, pixels, mask)
    write_picture(out, pixels)
    branch = EDITORS[options.method].inversion is not None
    (verdict,) = verdicts([workspace.pixels], [pixels], [back] if branch else None, mask)
    said = told(verdict, pixels, options.model, options.source or "", options.target)
    print(f"edited          {out}")
    print(f"verdict         {workspace.foreign or said}")
    if branch:
        print(
            f"reconstruction  {psnr_text(back, workspace.pixels)} (how near the model comes to the image without the edit)"
        )


def edit_picture(workspace: Workspace, options: argparse.Namespace, control: Control, memory: Memory) -> Edited:
    """The edit by the method, along its own trajectory or the one that was named. Raises UserError as `trajectory_of`."""
    studio, method = workspace.studio, options.method
    settings, trajectory, source, target = settings_of(studio, options), None, options.source, options.target
    if EDITORS[method].uncond:
        require_unconditional(studio.denoiser, f"'{method}'")
    if source is not None:
        words_in(studio, source, target, control.words)
    if options.trajectory or EDITORS[method].inversion == "ddim":
        trajectory = trajectory_of(workspace, options, source, settings.steps)
    x0, sigmas = workspace.x0, studio.grid(settings.steps, workspace.x0)
    if trajectory is not None:
        x0, sigmas, source = trajectory.xs[-1], trajectory.sigmas, trajectory.provenance.prompt
    source = source or ""
    note_equal(source, target)
    if options.find_region:
        control = replace(control, mask=find_region(studio, x0, sigmas, source, target))
    with bar(shown=not options.quiet) as on_step:
        job = EditJob(
            studio.denoiser,
            x0,
            sigmas,
            *prompts_of(studio, (source, target), settings, options.negative or "", few_steps=options.few_steps),
            strength=settings.strength,
            techniques=tuple(techniques(studio, sigmas, source, target, control)),
            seed=options.seed or 0,
            memory=memory,
            on_step=on_step,
        )
        try:
            return EDITORS[method].edit(job, trajectory)
        except WrongInversion as error:
            raise UserError(
                f"{error} Without --trajectory and --inversion, {method} inverts the image itself."
            ) from error


def control_of(workspace: Workspace, options: argparse.Namespace, mask: Mask | None) -> Control:
    """How the edit keeps the picture, as the options say."""
    studio, weights = workspace.studio, dict(options.weights)
    if weights:
        tell(studio.prompt_tokens(options.target), weights)
    return Control(
        cross=_share(options, options.cross, WEIGHTED_CROSS_END if weights else CROSS_END),
        self_attention=_share(options, options.self_attention, SELF_END),
        alignment=options.align,
        weights=weights,
        words=options.words,
        plug_and_play=options.plug_and_play,
        share=options.share,
        kv_edit=options.kv_edit,
        mask=None if mask is None else mask_to_tensor(mask, studio.multiple),
    )


def check(options: argparse.Namespace) -> None:
    """Raises UserError at options that do not go together, before anything is loaded."""
    if options.weights and not _share(options, options.cross, usual=1.0):
        raise UserError("--weights acts while --cross lasts, but --cross is 0. Raise --cross.")
    if options.kv_edit and options.mask is None and not options.find_region:
        raise UserError("--kv-edit redraws a region. Name a mask image with --mask, or add --find-region.")
    if options.find_region and options.mask is not None:
        raise UserError("--mask names the region and --find-region looks for one. Use only one of the two.")
    check_method(options)


def _share(options: argparse.Namespace, given: float | None, usual: float) -> float:
    """The share of the steps under Prompt-to-Prompt: what was given, else none beside another way to keep the source."""
    others = options.plug_and_play is not None or options.share is not None or options.kv_edit or options.find_region
    return given if given is not None else 0.0 if others or EDITORS[options.method].settings else usual
