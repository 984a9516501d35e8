"""The options of `latent-inversion style` and `latent-inversion try-on`."""

import argparse
from pathlib import Path

from ...inversion_core.applications.style import SHAPES_END, STYLINGS
from .. import help as texts
from .. import values
from ..options import add_model
from ..style import BLANK, STYLES

STYLE = """\
Give an image another style: one that the new prompt names, or the style of another image.

The style of another image is taken in one of two ways. If the prompts have {} where the word of the style belongs, the
word is read off the style image: the one of --styles under which the model knows that image best. Otherwise the edit
shares the attention of the style image (StyleAligned). --method adds StyleAligned or StyleID to words.
"""
STYLE_EXAMPLES = """\
examples:
  by words (the toybox model):
    latent-inversion style cat.png --source "a photo of a white cat in a plain red shirt, in the snow at day" \\
        --target "a painting of a white cat in a plain red shirt, in the snow at day"
  the style of another image, whose word is read off the image:
    latent-inversion style cat.png --source "a photo of a white cat in a plain red shirt, in the snow at day" \\
        --target "a {} of a white cat in a plain red shirt, in the snow at day" \\
        --style-picture dog.png --style-source "a {} of a black dog"
  without any word for the style, by attention:
    latent-inversion style photo.jpg --model DIR --source "a cat on a sofa" --style-picture waves.jpg \\
        --style-source "waves before a mountain"
"""
TRY_ON = """\
Put the garment of one image on the person of another. The garment is moved and scaled to where the person's clothing is,
the noise of the garment becomes the start of the edit there, and the edit attends to the garment; elsewhere the image of
the person is kept.

The place of the clothing in either image is read from the attention to the words for it, or given by a mask. The new
prompt is composed from these words: the prompt of the person with the garment's words in place of the clothing's.
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
        "style", help="image + words or image of a style -> image", description=STYLE, epilog=STYLE_EXAMPLES
    )
    style.add_argument("picture", type=Path, metavar="IMAGE", help="the image to restyle, of any size")
    add_model(style)
    words = style.add_argument_group("the change")
    words.add_argument("--source", metavar="TEXT", default="", help="what the image shows (default: nothing said)")
    words.add_argument(
        "--target",
        metavar="TEXT",
        help=f"what the image should show, with {BLANK} where the style image's word belongs (default: the source)",
    )
    words.add_argument("--style-picture", type=Path, metavar="IMAGE", help="the image whose style is wanted")
    words.add_argument(
        "--style-source", metavar="TEXT", default="", help=f"what the style image shows, with {BLANK} for its style"
    )
    words.add_argument(
        "--styles",
        nargs="+",
        metavar="WORD",
        default=list(STYLES),
        help=f"comma-separated words among which the style of the style image is read (default: {' '.join(STYLES)})",
    )
    words.add_argument(
        "--method", choices=tuple(STYLINGS), help="how to share the style image's attention (default: see above)"
    )
    words.add_argument(
        "--shapes",
        type=values.share,
        metavar="SHARE",
        default=SHAPES_END,
        help="fraction of the steps, 0..1, that keep the shapes of the image (default: %(default)s)",
    )
    _ending(style, ".styled.png")


def add_try_on(commands: argparse._SubParsersAction) -> None:
    """The command and what it takes."""
    command = commands.add_parser(
        "try-on", help="person + garment -> the person in the garment", description=TRY_ON, epilog=TRY_ON_EXAMPLES
    )
    command.add_argument("picture", type=Path, metavar="PERSON", help="the image of the person, of any size")
    command.add_argument("garment_picture", type=Path, metavar="GARMENT", help="an image of the garment, worn or alone")
    add_model(command)
    words = command.add_argument_group("the images")
    words.add_argument("--source", metavar="TEXT", default="", help="what the person's image shows")
    words.add_argument("--clothing", metavar="TEXT", default="", help="words of --source for the clothing to replace")
    words.add_argument("--mask", type=Path, metavar="FILE", help="mask of PERSON's size, white where the clothing is")
    words.add_argument("--garment-source", metavar="TEXT", default="", help="what the garment's image shows")
    words.add_argument("--garment", metavar="TEXT", default="", help="words of --garment-source for the garment")
    words.add_argument("--garment-mask", type=Path, metavar="FILE", help="mask of GARMENT's size, white on the garment")
    words.add_argument("--target", metavar="TEXT", help="what the result shows (default: composed of the words above)")
    words.add_argument(
        "--attention-only",
        action="store_true",
        help="for a garment that cannot be moved and scaled into place: only attend to the garment, and take its statistics",
    )
    _ending(command, ".dressed.png")


def _ending(command: argparse.ArgumentParser, ending: str) -> None:
    command.add_argument(
        "--guidance", type=values.guidance, metavar="NUMBER", help=f"guidance scale (default: {texts.GUIDANCE})"
    )
    command.add_argument("--steps", metavar="NUMBER", type=values.steps, help=f"steps (default: {texts.STEPS})")
    command.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help=f"the new image (default: IMAGE's name with {ending})"
    )
