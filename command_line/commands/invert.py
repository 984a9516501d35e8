"""`latent-inversion invert`: a picture's trajectory as a file, and the picture that it gives back."""

import argparse

from ...inversion_core.files.trajectory_file import save
from ...inversion_core.loops.integrate import replay
from ...pictures.files import thumbnail, write_picture
from ..options import add_inversion, add_output, add_picture_and_model
from ..outputs import check_file, check_picture, named_after
from ..progress import bar
from ..workspace import new_trajectory, open_workspace, psnr_text

DESCRIPTION = """\
Record the trajectory of an image: its latents from clean to pure noise. Writes a .safetensors file
that `edit` and `report` can use again, and beside it the image that the trajectory reconstructs."""
EXAMPLE = 'example:\n  latent-inversion invert room.jpg --model DIR --prompt "a wooden chair" -o room.safetensors'


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.description, command.epilog = DESCRIPTION, EXAMPLE
    add_picture_and_model(command)
    command.add_argument("--prompt", metavar="TEXT", default="", help="what the image shows (default: nothing said)")
    add_inversion(command)
    add_output(command, "the trajectory (default: IMAGE's name with .safetensors)")


def run(options: argparse.Namespace) -> None:
    """Write the trajectory and the picture that it gives back; print how well it does."""
    out = options.out or named_after(options.picture, ".safetensors")
    check_file(out, options, ".safetensors")
    check_picture(out.with_suffix(".reconstruction.png"), options)
    workspace = open_workspace(options)
    trajectory = new_trajectory(workspace.studio, workspace.x0, options.prompt, options)
    out.parent.mkdir(parents=True, exist_ok=True)
    save(trajectory, out, thumbnail=thumbnail(workspace.pixels))
    studio = workspace.studio
    with bar(shown=not options.quiet) as on_step:
        walk = replay(trajectory, studio.denoiser, studio.cond(options.prompt), on_step=on_step)
    back, ceiling = workspace.picture(walk.xs[-1]), workspace.picture(workspace.x0)
    write_picture(out.with_suffix(".reconstruction.png"), back)
    print(f"trajectory      {out} ({trajectory.steps} steps)")
    print(f"reconstruction  {out.with_suffix('.reconstruction.png')}: {psnr_text(back, workspace.pixels)}")
    print(f"ceiling         {psnr_text(ceiling, workspace.pixels)} (the autoencoder alone)")
