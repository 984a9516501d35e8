"""Direct inversion: the source branch is the stored trajectory itself, exact at any guidance."""

from ..shapes import Latent
from ..trajectory import Trajectory
from ..types import Cond, Denoiser, State
from .edit import Anchor, unanchored


def direct(
    trajectory: Trajectory, denoiser: Denoiser, x: Latent, index: int, cond: Cond, state: State, *, recording: bool
) -> tuple[Latent, State]:
    """An anchor that puts the source at `xs[index + 1]` after each step (arXiv:2310.01506, alg. 1, as teacher forcing).

    The network is asked only if its attention is to be recorded, and then only for the conditional branch: one
    evaluation where a guided source branch costs two.
    """
    if recording:
        unanchored(trajectory, denoiser, x, index, cond.alone(), None, recording=True)
    return trajectory.xs[index + 1].to(x), state


ANCHORS: dict[str, Anchor] = {"direct": direct, "none": unanchored}
"""The anchors by the names that nodes and command line show."""
