"""`latent-inversion style`: a picture in another style, by words or by a picture of the style."""

import argparse

from ...pictures.errors import UserError
from ...pictures.files import to_pixels, to_tensor, write_picture
from ..outputs import check_picture, named_after, pasted
from ..style import BLANK, BY_ATTENTION, BY_WORD, Look, Styling, Wish, transferred
from ..verdict import sentence, verdicts
from ..workspace import making_of, open_picture, studio_of


def run(options: argparse.Namespace) -> None:
    """Write the picture in its new style, and say which words were used."""
    target = options.source if options.target is None else options.target
    blanks = BLANK in target
    if options.style_picture is None and (blanks or options.method or options.target is None):
        raise UserError("There is no style. Name it in --target, or give an image of the style with --style-picture.")
    if blanks and BLANK not in options.style_source:
        raise UserError(f"The word of the style is not marked in --style-source. Write {BLANK} for the word there too.")
    out = options.out or named_after(options.picture, ".styled.png")
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
    print(f"styled          {pasted(out)}" + (f" (prompt: {styled.targets[0]})" if styled.targets[0] else ""))
    write_picture(out, edited)
    print(f"verdict         {sentence(*verdicts([pixels], [edited], [back]))}")


def styling_of(options: argparse.Namespace, blanks: bool) -> Styling:
    """The styling that was asked for."""
    usual = BY_ATTENTION if options.style_picture is not None and not blanks else BY_WORD
    return Styling(options.method or usual.method, options.styles, shapes=options.shapes)
