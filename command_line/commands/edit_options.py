"""The options of `latent-inversion edit`."""

import argparse
from pathlib import Path

from ...inversion_core.techniques.plug_and_play import LAYER
from .. import help as texts
from .. import values
from ..control import SHARES
from ..memory_options import add_memory
from ..options import add_inversion, add_picture_and_model

METHOD_NAMES = ("direct", "null-text", "negative-prompt", "ddim")


def add_edit(commands: argparse._SubParsersAction) -> None:
    """The command and what it takes."""
    edit = commands.add_parser(
        "edit", help="image + new prompt -> image", description=texts.EDIT, epilog=texts.EDIT_EXAMPLES
    )
    add_picture_and_model(edit)
    _words(edit.add_argument_group("the change"))
    _attention(edit.add_argument_group("what stays (Prompt-to-Prompt)"))
    _plug_and_play(edit.add_argument_group("what stays (Plug-and-Play)"))
    _sharing(edit.add_argument_group("what stays (keys and values of the source)"))
    _region(edit.add_argument_group("where"))
    add_memory(edit.add_argument_group("memory"))
    add_inversion(edit)
    edit.add_argument(
        "--trajectory",
        type=Path,
        metavar="FILE",
        help="a file of `latent-inversion invert`, instead of inverting again",
    )
    edit.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="the edited image (default: IMAGE's name with .edited.png)"
    )


def _words(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--source", metavar="TEXT", help="what the image shows (default: the prompt of --trajectory, or nothing)"
    )
    group.add_argument(
        "--target", metavar="TEXT", required=True, help="what the image should show: the source with some words changed"
    )
    group.add_argument("--method", choices=METHOD_NAMES, default="direct", help="see above (default: %(default)s)")
    group.add_argument(
        "--guidance", type=values.guidance, metavar="NUMBER", help=f"guidance scale (default: {texts.GUIDANCE})"
    )
    group.add_argument(
        "--negative",
        metavar="TEXT",
        help="what guidance leads away from, with direct and ddim (default: nothing said); the source prompt here keeps more of the "
        "image but may miss the change",
    )


def _attention(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--cross",
        metavar="SHARE",
        type=values.share,
        help="fraction of the steps, 0..1, in which shared words keep their places (default: 0.2; 0 with --plug-and-play, --share or --kv-edit)",
    )
    group.add_argument(
        "--self",
        dest="self_attention",
        metavar="SHARE",
        type=values.share,
        help="fraction of the steps, 0..1, that keep the shapes of the source (default: 0.6; 0.4 on transformers; 0 with "
        "--plug-and-play, --share or --kv-edit); lower it to change shapes",
    )
    group.add_argument(
        "--align",
        choices=("refine", "replace"),
        default="refine",
        help="refine: new words find their own places; replace: a new word takes the old one's place (default: %(default)s)",
    )
    group.add_argument(
        "--weights",
        nargs="+",
        type=values.weight,
        default=[],
        metavar="WORD=FACTOR",
        help="strengthen (2) or weaken (0.5) words of the target while --cross lasts",
    )


def _plug_and_play(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--plug-and-play",
        nargs="?",
        type=values.layer,
        const=LAYER,
        metavar="LAYER",
        help="keep layout and shapes by the features and self-attention of the UNet's decoder, from this layer on (default: "
        "%(const)s, as published for Stable Diffusion 1; the toybox has 6 layers, and 3 suits it); the prompts may differ in every "
        "word",
    )


def _sharing(group: argparse._ArgumentGroup) -> None:
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


def _region(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--words",
        nargs="+",
        default=[],
        metavar="WORD",
        help="edit only where these words of either prompt draw attention",
    )
    group.add_argument(
        "--mask",
        type=Path,
        metavar="FILE",
        help="edit only where this mask image, of IMAGE's size, is white",
    )
    group.add_argument(
        "--find-region",
        action="store_true",
        help="edit only where the two prompts differ on the image (DiffEdit); for changes of a part of the image, not of light or style",
    )
