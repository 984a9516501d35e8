"""The options of `latent-inversion video`."""

import argparse
from pathlib import Path

from ...inversion_core.applications.video import WAYS
from ...inversion_core.loops.clip import SPACING, TOGETHER, WINDOW
from .. import help as texts
from .. import values
from ..options import add_inversion, add_model

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


def add_video(commands: argparse._SubParsersAction) -> None:
    """The command and what it takes."""
    ways = "".join(f"  {name:<24} {way.about}\n" for name, way in WAYS.items())
    video = commands.add_parser(
        "video", help="clip + new prompt -> clip", description=DESCRIPTION + ways, epilog=EXAMPLES
    )
    video.add_argument(
        "clip", type=Path, metavar="CLIP", help="a folder of images, an animated GIF, WebP or PNG, or a video file"
    )
    add_model(video)
    _words(video.add_argument_group("the change"))
    _frames(video.add_argument_group("the frames"))
    add_inversion(video)
    video.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="CLIP",
        help="the edited clip: a file, or a folder for frames alone (default: CLIP's name with edited). The frames of a file lie in "
        "a folder beside it",
    )


def _words(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--source", metavar="TEXT", required=True, help="what the clip shows")
    group.add_argument("--target", metavar="TEXT", required=True, help="what the clip should show")
    group.add_argument(
        "--guidance", type=values.guidance, metavar="NUMBER", help=f"guidance scale (default: {texts.GUIDANCE})"
    )
    group.add_argument("--negative", metavar="TEXT", default="", help="what guidance leads away from")
    for name, kept in (("cross", "shared words keep their places"), ("self", "the shapes of the source stay")):
        group.add_argument(
            f"--{name}",
            dest="self_attention" if name == "self" else name,
            metavar="SHARE",
            type=values.share,
            default=SHARE,
            help=f"fraction of the steps, 0..1, in which {kept} (Prompt-to-Prompt; default: %(default)s)",
        )
    group.add_argument(
        "--align",
        choices=("refine", "replace"),
        default="refine",
        help="refine: new words find their own places; replace: a new word takes the old one's place (default: %(default)s)",
    )
    group.add_argument(
        "--words",
        nargs="+",
        default=[],
        metavar="WORD",
        help="edit only where these words of either prompt draw attention",
    )


def _frames(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--way", choices=tuple(WAYS), default="token flow", help="see above (default: %(default)s)")
    for name, usual, what in (
        ("spacing", SPACING, "frames from one key frame to the next"),
        ("window", WINDOW, "frames edited in one window"),
        ("together", TOGETHER, "frames per run of the network, beside the key frames"),
    ):
        group.add_argument(
            f"--{name}", type=values.steps, default=usual, metavar="NUMBER", help=f"{what} (default: %(default)s)"
        )
