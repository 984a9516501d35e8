"""What a run costs: its time beside that of others, and the memory of this process."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path


def medians(runs: Sequence[Callable[[], object]], repeats: int, clock: Callable[[], float]) -> list[float]:
    """The median seconds of each by the clock, the runs taking turns so that what disturbs one disturbs all."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for number, run in enumerate(runs):
            started = clock()
            run()
            times[number].append(clock() - started)
    return [statistics.median(seconds) for seconds in times]


def status(entry: str) -> float:
    """An entry of this process's status in MB: `VmRSS` is the memory now, `VmHWM` its peak (Linux)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(entry))
    return int(line.split()[1]) / 1024
