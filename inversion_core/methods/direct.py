"""Direct inversion (arXiv:2310.01506): the source branch is the stored trajectory itself."""

from functools import partial

from ..loops.direct import direct
from .editor import Editor, edit_along

EDITOR = Editor(
    "direct", partial(edit_along, anchor=direct), inversion="ddim", solvers=None, about="holds the source exactly"
)
