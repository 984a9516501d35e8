"""Every way to edit a picture by two prompts, by the name that the field knows it by: one line a method, in its group's file."""

from ..loops.edit import Edited
from ..trajectory import Trajectory
from ..types import require_unconditional
from . import anchoring, delta, exact, few_steps, flow_control, guidance, solvers, stochastic
from .job import Editor, Job, Plan, trajectory_for

GROUPS: dict[str, dict[str, Editor]] = {
    "guidance": guidance.EDITORS,
    "solvers": solvers.EDITORS,
    "exact": exact.EDITORS,
    "anchoring": anchoring.EDITORS,
    "stochastic": stochastic.EDITORS,
    "flow control": flow_control.EDITORS,
    "delta": delta.EDITORS,
    "few steps": few_steps.EDITORS,
}
"""The methods by group, in the order in which nodes and tables show them."""

EDITORS: dict[str, Editor] = {name: editor for group in GROUPS.values() for name, editor in group.items()}

__all__ = ["EDITORS", "GROUPS", "Editor", "Job", "Plan", "run_editor", "trajectory_for"]


def run_editor(name: str, job: Job, trajectory: Trajectory | None = None) -> Edited:
    """The job done by the method `name`, along `trajectory` if there is one of the method's own inversion.

    Raises ValueError if the method is not defined on the model's family or needs an unconditional branch that the model
    has not, and as the method itself.
    """
    editor, path = EDITORS[name], job.denoiser.path.name
    if path not in editor.families:
        raise ValueError(
            f"'{name}' is defined on the noise path '{editor.families[0]}', but this model works on '{path}'."
        )
    if editor.uncond:
        require_unconditional(job.denoiser, f"'{name}'")
    return editor.run(job, trajectory or trajectory_for(editor, job))
