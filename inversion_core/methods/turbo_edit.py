"""TurboEdit (arXiv:2408.00735): an edit along noise maps of a few steps, by pseudo-guidance from the source prompt to the target's."""

from ..loops.direct import direct
from .editor import Editor, edit_along
from .negative_prompt import negative_prompt
from .published import Settings

EDITOR = Editor(
    "TurboEdit",
    # The paper's weight of pseudo-guidance is the target's guidance, with the source prompt as unconditional one.
    lambda job, trajectory: edit_along(job, trajectory, target=negative_prompt(job.target, job.source), anchor=direct),
    inversion="TurboEdit",
    solvers=("ddpm",),
    own_negative=True,
    about="edit-friendly noise maps with noise one level too clean, for models of three or four steps",
    # Published code, for SDXL-Turbo, which is on `ve`; those on `rf` are the toybox's.
    settings=dict.fromkeys(("ve", "rf", "few-step ve", "few-step rf"), Settings(1.5, 1.0, 0.8, 5)),
)
