"""Plain DDIM inversion: source and target sampled alike, under guidance."""

from .editor import Editor, edit_along

EDITOR = Editor(
    "ddim", edit_along, inversion="ddim", solvers=None, about="plain DDIM inversion; guidance loses the image"
)
