"""An edit of one target, run."""

from collections.abc import Sequence

from latent_inversion.inversion_core.attention.budget import Memory
from latent_inversion.inversion_core.attention.technique import Technique
from latent_inversion.inversion_core.loops.edit import Anchor, Edit, Edited, Target, unanchored
from latent_inversion.inversion_core.progress import OnStep
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.inversion_core.types import Cond, EditableDenoiser


def edit(
    trajectory: Trajectory,
    denoiser: EditableDenoiser,
    source: Cond,
    target: Cond,
    *,
    anchor: Anchor = unanchored,
    techniques: Sequence[Technique] = (),
    start: int = 0,
    memory: Memory | None = None,
    on_step: OnStep | None = None,
) -> Edited:
    """What comes of the only target."""
    (edited,) = Edit(trajectory, denoiser, source, [Target(target, techniques)], anchor, start).run(memory, on_step)
    return edited
