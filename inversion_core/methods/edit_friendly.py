"""Edit-friendly DDPM (arXiv:2304.06140): an edit along noise maps that carry the picture."""

from functools import partial

from ..inversions.edit_friendly import GUIDANCE
from ..loops.direct import direct
from .editor import Editor, edit_along
from .published import Settings

EDITOR = Editor(
    "edit-friendly DDPM",
    partial(edit_along, anchor=direct),
    inversion="edit-friendly DDPM",
    inversion_guidance=GUIDANCE,
    solvers=("ddpm",),
    about="samples with noise maps that hold the image",
    settings={
        "ve": Settings(15.0, GUIDANCE, 0.64, 100),  # published code, on Stable Diffusion 1: 36 of 100 steps are skipped
        "rf": Settings(7.5, GUIDANCE, 0.64, 50),  # the toybox's
    },
)
