"""Progress bars for the core's loops."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeAlias

from tqdm import tqdm

from ..inversion_core.progress import OnStep, Progress

Watch: TypeAlias = bool | OnStep
"""Whether there is a bar, or who is told instead."""
LABELS = {
    "invert": "inverting",
    "replay": "retracing",
    "null-text": "optimising",
    "edit": "editing",
    "look": "looking",
    "mask": "comparing",
}


@contextmanager
def bar(label: str = "", *, shown: bool = True) -> Iterator[OnStep]:
    """An `on_step` that moves a bar on stderr if that is a terminal; a loop that ends before its last step leaves the bar full."""
    line: tqdm = tqdm(total=1, disable=None if shown else True, leave=False, dynamic_ncols=True)

    def on_step(progress: Progress) -> None:
        line.total = progress.total
        line.set_description_str(label or LABELS.get(progress.stage, progress.stage), refresh=False)
        line.update(progress.index + 1 - line.n)

    with line:
        yield on_step


def watching(watch: Watch, label: str = "") -> AbstractContextManager[OnStep]:
    """The `on_step` of one loop, by a bar or by whoever is told. What that raises ends the loop."""
    return bar(label, shown=watch) if isinstance(watch, bool) else nullcontext(watch)
