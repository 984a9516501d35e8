"""What `latent-inversion video` takes."""

import argparse
from pathlib import Path

from .. import values
from ..names import SPACING, TOGETHER, WAYS, WINDOW
from .shared import add_blend_words, add_guidance, add_inversion, add_model, add_output, add_prompt_to_prompt

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
    ways = "".join(f"  {name:<24} {about}\n" for name, about in WAYS.items())
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
        "the edited clip: a file, or a folder for frames alone (default: CLIP's name with edited, beside CLIP). The frames of a file lie in "
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
