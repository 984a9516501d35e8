"""An edit whose attention banks are kept within the memory that there is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..attention.bank import Storage
from ..attention.budget import Fitted, Free, fit, free_memory
from ..progress import OnStep, within
from ..trajectory import Trajectory
from ..types import Cond, EditableDenoiser
from .edit import Anchor, Edited, Target, edit_all, unanchored
from .rehearsal import Unforeseeable, bank_need


@dataclass(frozen=True)
class Memory:
    """How the banks of an edit are to be kept, how much memory is free, and who is told what was decided."""

    storage: Storage = field(default_factory=Storage)
    free: Free = free_memory
    tell: Callable[[str], None] = lambda words: None


def fitting(
    memory: Memory | None,
    trajectory: Trajectory,
    denoiser: EditableDenoiser,
    source: Cond,
    targets: Sequence[Target],
    *,
    anchor: Anchor = unanchored,
    start: int = 0,
    on_step: OnStep | None = None,
) -> Storage | None:
    """How the banks of `edit_all` are kept so that they fit; without `memory`, or where nothing is recorded, as recorded.

    Raises BankTooLarge if they cannot, and as `edit_all`, before anything is sampled.
    """
    if memory is None or not any(t.record or t.inject or t.reference for one in targets for t in one.techniques):
        return memory.storage if memory else None
    try:
        need = bank_need(
            trajectory,
            denoiser,
            source,
            targets,
            anchor=anchor,
            start=start,
            storage=memory.storage,
            on_step=within(on_step, 0.0, 0.0),
        )
        fitted = fit(need, memory.storage, denoiser.device, memory.free)
    except Unforeseeable as error:
        fitted = Fitted(memory.storage, f"attention bank  size unknown before the edit: {error}")
    memory.tell(fitted.words)
    return fitted.storage


def edit_within(
    memory: Memory | None,
    trajectory: Trajectory,
    denoiser: EditableDenoiser,
    source: Cond,
    targets: Sequence[Target],
    *,
    anchor: Anchor = unanchored,
    start: int = 0,
    on_step: OnStep | None = None,
) -> list[Edited]:
    """`edit_all` with its banks kept within the memory that there is. Raises as `fitting`."""
    storage = fitting(memory, trajectory, denoiser, source, targets, anchor=anchor, start=start, on_step=on_step)
    return edit_all(trajectory, denoiser, source, targets, anchor=anchor, start=start, storage=storage, on_step=on_step)
