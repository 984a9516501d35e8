"""Editing with the schemes that retrace exactly what they sample, under any guidance that both ways share.

Source and target are sampled with the scheme itself, from both end states of the source's inversion under its guidance.
"""

from .editor import Editor, edit_along
from .published import Settings


def _exact(name: str, about: str, published: Settings) -> Editor:
    """An editor by the solver of that name, with the settings of the published code on Stable Diffusion 1."""
    settings, solvers = {"ve": published}, (name.lower(),)
    return Editor(name, edit_along, about, name, inversion_guidance=None, solvers=solvers, settings=settings)


# Published code of arXiv:2211.12446, arXiv:2307.10829 and arXiv:2410.07273, where 50 of 200 steps are frozen.
EDITORS = (
    _exact(
        "EDICT",
        "two coupled states, exactly invertible; two evaluations per step, at most 50 steps",
        Settings(3.0, 3.0, 0.8, 50),
    ),
    _exact("BDIA", "averages DDIM steps in both directions, exactly invertible", Settings(3.0, 3.0, 0.8, 50)),
    _exact("O-BELM", "the most accurate two-step scheme, exactly invertible", Settings(2.0, 2.0, 0.75, 200)),
)
