"""What `latent-inversion style` takes."""

import argparse

from .. import values
from ..names import BLANK, SHAPES_END, STYLES, STYLINGS
from .shared import add_guidance, add_model, add_output, add_steps

DESCRIPTION = """\
Give an image another style: one that the new prompt names, or the style of another image.

The style of another image is taken in one of two ways. If the prompts have {} where the word of the style belongs, the
word is read off the style image: the one of --styles under which the model knows that image best. Otherwise the edit
shares the attention of the style image (StyleAligned). --method adds StyleAligned or StyleID to words.
"""
EXAMPLES = """\
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


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.description, command.epilog = DESCRIPTION, EXAMPLES
    command.add_argument("picture", **values.IMAGE, help="the image to restyle, of any size")
    add_model(command)
    words = command.add_argument_group("the change")
    words.add_argument("--source", metavar="TEXT", default="", help="what the image shows (default: nothing said)")
    words.add_argument(
        "--target",
        metavar="TEXT",
        help=f"what the image should show, with {BLANK} where the style image's word belongs (default: the source)",
    )
    words.add_argument("--style-picture", **values.IMAGE, help="the image whose style is wanted")
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
        "--method", choices=STYLINGS, help="how to share the style image's attention (default: see above)"
    )
    words.add_argument(
        "--shapes",
        **values.SHARE,
        default=SHAPES_END,
        help="fraction of the steps, 0..1, that keep the shapes of the image (default: %(default)s)",
    )
    add_guidance(command)
    add_steps(command)
    add_output(command, "the new image (default: IMAGE's name with .styled.png, beside IMAGE)")
