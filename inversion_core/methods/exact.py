"""Editing with the schemes that retrace exactly what they sample, under any guidance that both ways share.

Source and target are sampled with the scheme itself, from both end states of the source's inversion under its guidance.
"""

from .editor import Editor, Settings, edit_along


def _exact(name: str, solver: str, about: str, published: Settings) -> Editor:
    settings = {"ve": published}  # on Stable Diffusion 1
    return Editor(name, edit_along, about, name, inversion_guidance=None, solvers=(solver,), settings=settings)


EDITORS = (
    _exact(
        "EDICT",
        "edict",
        "two coupled states, exactly invertible; two evaluations per step, at most 50 steps",
        Settings(3.0, 3.0, 0.8, 50),  # arXiv:2211.12446, published code
    ),
    _exact(
        "BDIA",
        "bdia",
        "averages DDIM steps in both directions, exactly invertible",
        Settings(3.0, 3.0, 0.8, 50),  # arXiv:2307.10829, published code
    ),
    _exact(
        "O-BELM",
        "o-belm",
        "the most accurate two-step scheme, exactly invertible",
        Settings(2.0, 2.0, 0.75, 200),  # arXiv:2410.07273, published code: 50 of 200 steps are frozen
    ),
)
