"""What every benchmark does around its measuring: options, worker processes, a report, and a table of means."""

import argparse
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from math import isfinite, nan
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

Record = Mapping[str, Any]
Result = TypeVar("Result")


def command(description: str, *, out: str, **counts: int) -> argparse.ArgumentParser:
    """A command line with the numbers named, `--workers` and `--out`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in counts.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path(out))
    return parser


def in_workers(work: Callable[..., Result], count: int, *arguments: Iterable[Any]) -> Iterator[Result]:
    """The results of `work`, a module's function, in the order of its arguments, from so many processes."""
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, *arguments)


def batches(cases: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """The cases in parts of `size`."""
    return [cases[first : first + size] for first in range(0, len(cases), size)]


def write_report(path: Path, settings: Record, **rows: Sequence[Record]) -> None:
    """Write the settings and the rows of figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"settings": settings, **rows}, indent=1) + "\n", encoding="utf-8")


def mean(values: Iterable[float]) -> float:
    """The mean of the finite values (an edit of the whole picture has no outside); nan if there is none."""
    known = [value for value in values if isfinite(value)]
    return fmean(known) if known else nan


def means(records: Iterable[Record], columns: Iterable[str]) -> dict[str, float]:
    """The mean of each column."""
    rows = list(records)
    return {column: mean(row[column] for row in rows) for column in columns}


def table(
    labels: Sequence[str], heads: Mapping[str, str], rows: Iterable[tuple[Sequence[str], Iterable[float]]]
) -> str:
    """Labels and figures as Markdown; a head says how its figures are written: as `format` has it, or % for a share."""
    lines = [f"| {' | '.join([*labels, *heads])} |", "|---" * len(labels) + "|" + "---:|" * len(heads)]
    for names, figures in rows:
        shown = (written(figure, how) for figure, how in zip(figures, heads.values(), strict=True))
        lines.append(f"| {' | '.join([*names, *shown])} |")
    return "\n".join(lines)


def written(figure: float, how: str) -> str:
    return f"{100 * figure:.0f} %" if how == "%" else format(figure, how)
