"""The options of `latent-inversion style` and `latent-inversion try-on`."""

import argparse
from pathlib import Path

from ...inversion_core.applications.style import SHAPES_END, STYLINGS
from .. import help as texts
from .. import values
from ..options import add_model
from ..style import BLANK, STYLES

STYLE = """\
Give a picture another style: one that the new description names, or that of another picture.

The style of another picture is taken in one of two ways. If the descriptions have {} where the word of the style belongs,
the word is read off the style picture: the one of --styles under which the model knows that picture best. Else the
picture's attention is shared (StyleAligned). --method adds that, or StyleID, to words.
"""
STYLE_EXAMPLES = """\
examples:
  by words (the toybox model):
    latent-inversion style cat.png --source "a photo of a white cat in a plain red shirt, in the snow at day" \\
        --target "a painting of a white cat in a plain red shirt, in the snow at day"
  the style of another picture, whose word is read off it:
    latent-inversion style cat.png --source "a photo of a white cat in a plain red shirt, in the snow at day" \\
        --target "a {} of a white cat in a plain red shirt, in the snow at day" \\
        --style-picture dog.png --style-source "a {} of a black dog"
  without any word for it, by attention:
    latent-inversion style photo.jpg --model DIR --source "a cat on a sofa" --style-picture waves.jpg \\
        --style-source "waves before a mountain"
"""
TRY_ON = """\
Put the garment of one picture on the person of another. The garment is moved and scaled to where the person's clothing is,
its noise becomes the start of the edit there, and the edit attends to it; elsewhere the person's picture is kept.

Where the clothing is in either picture is read from the attention to its words, or told by a mask. The words for the
clothing also make the new description, the person's with the garment's words in their place.
"""
TRY_ON_EXAMPLES = """\
examples:
  the regions found by words (the toybox model):
    latent-inversion try-on cat.png dog.png \\
        --source "a photo of a white cat in a plain red shirt, in the snow at day" --clothing "plain red shirt" \\
        --garment-source "a photo of a black dog in a striped blue shirt, in the desert at night" \\
        --garment "striped blue shirt"
  with masks, white where the clothing is, and a garment by itself:
    latent-inversion try-on me.jpg jacket.jpg --model DIR --resize 512 --mask me.mask.png --garment-mask jacket.mask.png \\
        --source "a woman in a red dress" --clothing "red dress" --garment-source "a denim jacket" --garment "denim jacket"
"""


def add_style(commands: argparse._SubParsersAction) -> None:
    """The command and what it takes."""
    style = commands.add_parser(
        "style", help="picture + words or picture of a style -> picture", description=STYLE, epilog=STYLE_EXAMPLES
    )
    style.add_argument("picture", type=Path, metavar="PICTURE", help="the picture to restyle, of any size")
    add_model(style)
    words = style.add_argument_group("the change")
    words.add_argument("--source", metavar="TEXT", default="", help="what the picture shows (default: nothing said)")
    words.add_argument(
        "--target",
        metavar="TEXT",
        help=f"what it shall show, with {BLANK} where the style picture's word belongs (default: the source)",
    )
    words.add_argument("--style-picture", type=Path, metavar="PICTURE", help="the picture whose style is wanted")
    words.add_argument(
        "--style-source", metavar="TEXT", default="", help=f"what that shows, with {BLANK} for its style's word"
    )
    words.add_argument(
        "--styles",
        nargs="+",
        metavar="WORD",
        default=list(STYLES),
        help=f"the words among which its style is read (default: {' '.join(STYLES)})",
    )
    words.add_argument(
        "--method", choices=tuple(STYLINGS), help="share the style picture's attention so (default: see above)"
    )
    words.add_argument(
        "--shapes",
        type=values.share,
        metavar="SHARE",
        default=SHAPES_END,
        help="share of the steps, 0..1, that keep the shapes of the picture (default: %(default)s)",
    )
    _ending(style, ".styled.png")


def add_try_on(commands: argparse._SubParsersAction) -> None:
    """The command and what it takes."""
    command = commands.add_parser(
        "try-on", help="person + garment -> the person in the garment", description=TRY_ON, epilog=TRY_ON_EXAMPLES
    )
    command.add_argument("picture", type=Path, metavar="PERSON", help="the picture of the person, of any size")
    command.add_argument(
        "garment_picture", type=Path, metavar="GARMENT", help="a picture of the garment, worn or alone"
    )
    add_model(command)
    words = command.add_argument_group("the pictures")
    words.add_argument("--source", metavar="TEXT", default="", help="what the person's picture shows")
    words.add_argument("--clothing", metavar="TEXT", default="", help="the words of that for what shall be exchanged")
    words.add_argument("--mask", type=Path, metavar="FILE", help="white where it is, in the size of PERSON")
    words.add_argument("--garment-source", metavar="TEXT", default="", help="what the garment's picture shows")
    words.add_argument("--garment", metavar="TEXT", default="", help="the words of that for the garment")
    words.add_argument("--garment-mask", type=Path, metavar="FILE", help="white where it is, in the size of GARMENT")
    words.add_argument("--target", metavar="TEXT", help="what the result shows (default: put together of these words)")
    words.add_argument(
        "--attention-only",
        action="store_true",
        help="for a garment that no moving and scaling brings to its place: it is only attended to, and its statistics "
        "are taken",
    )
    _ending(command, ".dressed.png")


def _ending(command: argparse.ArgumentParser, ending: str) -> None:
    command.add_argument(
        "--guidance", type=values.guidance, metavar="NUMBER", help=f"pull of the target (default: {texts.GUIDANCE})"
    )
    command.add_argument("--steps", metavar="NUMBER", type=values.steps, help=f"steps (default: {texts.STEPS})")
    command.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help=f"the new picture (default: PICTURE's name with {ending})"
    )
