"""`latent-inversion style`: a picture in another style, by words or by a picture of the style."""

import argparse

from ...inversion_core.applications.style import SHAPES_END, STYLINGS
from ...pictures.errors import UserError
from ...pictures.files import to_pixels, to_tensor, write_picture
from .. import values
from ..models import studio_of
from ..options import add_guidance, add_model, add_output, add_steps
from ..outputs import check_picture
from ..style import BLANK, BY_ATTENTION, BY_WORD, STYLES, Look, Styling, Wish, transferred
from ..verdict import sentence, verdicts
from ..workspace import making_of, open_picture

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
        "--method", choices=tuple(STYLINGS), help="how to share the style image's attention (default: see above)"
    )
    words.add_argument(
        "--shapes",
        **values.SHARE,
        default=SHAPES_END,
        help="fraction of the steps, 0..1, that keep the shapes of the image (default: %(default)s)",
    )
    add_guidance(command)
    add_steps(command)
    add_output(command, "the new image (default: IMAGE's name with .styled.png)")


def run(options: argparse.Namespace) -> None:
    """Write the picture in its new style, and say which words were used."""
    target = options.source if options.target is None else options.target
    blanks = BLANK in target
    if options.style_picture is None and (blanks or options.method or options.target is None):
        raise UserError("There is no style. Name it in --target, or give an image of the style with --style-picture.")
    if blanks and BLANK not in options.style_source:
        raise UserError(f"The word of the style is not marked in --style-source. Write {BLANK} for the word there too.")
    out = options.out or options.picture.with_name(options.picture.stem + ".styled.png")
    check_picture(out, options)
    pixels = open_picture(options.picture, options)
    style_pixels = None if options.style_picture is None else open_picture(options.style_picture, options)
    studio = studio_of(options)
    wish = Wish(to_tensor(pixels, studio.multiple), options.source, target)
    looks = [] if style_pixels is None else [Look(to_tensor(style_pixels, studio.multiple), options.style_source)]
    styled = transferred(studio, [wish], looks, styling=styling_of(options, blanks), making=making_of(options))
    edited, back = (
        to_pixels(studio.decode(x), pixels.shape[:2]) for x in (styled.edited.target, styled.edited.source[-1])
    )
    write_picture(out, edited)
    print(f"styled          {out}" + (f" (prompt: {styled.targets[0]})" if styled.targets[0] else ""))
    print(f"verdict         {sentence(*verdicts([pixels], [edited], [back]))}")


def styling_of(options: argparse.Namespace, blanks: bool) -> Styling:
    """The styling that was asked for."""
    usual = BY_ATTENTION if options.style_picture is not None and not blanks else BY_WORD
    return Styling(options.method or usual.method, options.styles, shapes=options.shapes)
