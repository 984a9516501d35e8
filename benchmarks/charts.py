"""The methods' benchmark as tables and curves: python benchmarks/charts.py out/methods/methods.json [FOLDER]."""

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from truth.frame import means, table

from latent_inversion.inversion_core.methods import GROUPS

HEADS = {
    "strength": "g",
    "right": "%",
    "kept": "%",
    **dict.fromkeys(("inside", "outside", "whole"), ".1f"),
    "ssim": ".3f",
    "source": ".1f",
    "evaluations": ".0f",
}
TITLES = {"unet": "v-prediction UNet", "flow": "rectified-flow DiT"}
ENOUGH = 0.8
"""The share of edits that must be right for a strength to count as a method's best."""


def curves(records: Sequence[dict[str, Any]], family: str) -> dict[str, list[dict[str, float]]]:
    """For each method the means at every strength, rising."""
    found: dict[tuple[str, float], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if record["family"] == family and not record["refused"]:
            found[record["method"], record["strength"]].append(record)
    points: dict[str, list[dict[str, float]]] = defaultdict(list)
    for (method, _), chosen in sorted(found.items(), key=lambda item: item[0][1]):
        points[method].append(means(chosen, HEADS))
    return dict(points)


def best(points: Sequence[dict[str, float]]) -> dict[str, float]:
    """The strength with the highest PSNR to the truth among those where enough edits are right, else the most right one."""
    enough = [point for point in points if point["right"] >= ENOUGH]
    return max(enough, key=lambda p: p["whole"]) if enough else max(points, key=lambda p: p["right"])


def tables(records: Sequence[dict[str, Any]]) -> str:
    """A Markdown table of each family, by group, every method at its best strength."""
    lines: list[str] = []
    for family in dict.fromkeys(record["family"] for record in records):
        points = curves(records, family)
        shown = [method for group in GROUPS.values() for method in group if method in points]
        rows = (([method], best(points[method]).values()) for method in shown)
        lines += ["", f"**{TITLES[family]}**", "", table(["method"], HEADS, rows)]
        refused = {r["method"]: r["refused"] for r in records if r["family"] == family and r["refused"]}
        lines += [f"\n{method} refused: {reason}" for method, reason in refused.items()]
    return "\n".join(lines)


def draw(records: Sequence[dict[str, Any]], folder: Path) -> None:
    """Two pictures a family: what is kept against what is changed, and quality against cost; a panel a group."""
    try:
        import matplotlib
    except ImportError:
        print("The curves are not drawn: matplotlib is not installed.")
        return
    matplotlib.use("agg")
    for family in dict.fromkeys(record["family"] for record in records):
        points = curves(records, family)
        kept, cost = ("right", "outside"), ("evaluations", "whole")
        panels(points, kept, f"{TITLES[family]}: the change against the rest", folder / f"{family}-change-and-rest.png")
        panels(points, cost, f"{TITLES[family]}: quality against cost", folder / f"{family}-quality-and-cost.png")


NAMES = {
    "right": "share of edits that are right",
    "outside": "PSNR to the truth outside the region, dB",
    "evaluations": "network evaluations per picture",
    "whole": "PSNR to the true edit, dB",
}


def panels(points: dict[str, list[dict[str, float]]], axes: tuple[str, str], title: str, path: Path) -> None:
    """A panel a group: its methods' curves over the strength in colour, all others in grey; the dot is strength 1."""
    from matplotlib import pyplot as plt

    groups = {name: [m for m in group if m in points] for name, group in GROUPS.items()}
    groups = {name: methods for name, methods in groups.items() if methods}
    columns = min(4, len(groups))
    rows = -(-len(groups) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(3.6 * columns, 3.3 * rows), sharex=True, sharey=True, squeeze=False
    )
    for panel, (name, methods) in zip(grid.flat, groups.items(), strict=False):
        for other in points:
            line = [[point[axis] for point in points[other]] for axis in axes]
            panel.plot(*line, color="#d4d4d8", linewidth=0.8, zorder=1)
        for number, method in enumerate(methods):
            line = [[point[axis] for point in points[method]] for axis in axes]
            panel.plot(*line, color=f"C{number}", linewidth=1.8, label=method, zorder=2)
            panel.plot(*[[values[-1]] for values in line], "o", color=f"C{number}", markersize=4, zorder=3)
        panel.set_title(name, fontsize=10)
        panel.legend(fontsize=7, frameon=False)
        panel.grid(color="#f0f0f2")
        panel.set_xscale("log" if axes[0] == "evaluations" else "linear")
    for panel in list(grid.flat)[len(groups) :]:
        panel.axis("off")
    figure.suptitle(title)
    figure.supxlabel(NAMES[axes[0]], fontsize=9)
    figure.supylabel(NAMES[axes[1]], fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    source = Path(sys.argv[1])
    loaded = json.loads(source.read_text())["records"]
    print(tables(loaded))
    draw(loaded, Path(sys.argv[2]) if len(sys.argv) > 2 else source.parent)
